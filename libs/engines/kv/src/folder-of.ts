/** A folder's prefix: '' or ending with `/`. */
export const folderOf = (path: string): string => (path === '' || path.endsWith('/') ? path : `${path}/`);
