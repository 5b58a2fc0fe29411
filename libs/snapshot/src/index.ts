export * from './archive-error.ts';
export * from './archive-meta.ts';
export * from './read-archive.ts';
export * from './write-archive.ts';
