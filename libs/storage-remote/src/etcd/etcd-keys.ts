/** Sorted as the numbers are. */
const padded = (number: number): string => number.toString(16).padStart(14, '0');

/** Names of all that a store keeps in etcd. @param prefix what they begin with; ends with `/` */
export function keysBelow(prefix: string) {
  const feed = `${prefix}feed/`;
  const allStaged = `${prefix}staged/`;
  return {
    data: `${prefix}data/`,
    meta: `${prefix}meta/`,
    format: `${prefix}meta/format`,
    epoch: `${prefix}meta/epoch`,
    index: `${prefix}meta/index`,
    staged: `${prefix}meta/staged`,
    feed,
    feedEntry: (index: number) => feed + padded(index),
    allStaged,
    stagedFolder: (id: string) => `${allStaged}${id}/`,
    stagedPart: (id: string, at: number) => `${allStaged}${id}/${padded(at)}`,
  };
}

export type EtcdKeys = ReturnType<typeof keysBelow>;
