/** Keys of the database beside chunks of the log (`l…`) and states (`s…`, see `state-roots.ts`). */
export const IDENTITY_KEY = 'i';
export const META_KEY = 'a';
export const MEMBERS_KEY = 'p';
