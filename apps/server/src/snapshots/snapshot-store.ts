/** A snapshot that is kept somewhere. */
export interface KeptSnapshot {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/** Where automatic snapshots are kept. Failures are errors whose messages may be shown to operators. */
export interface SnapshotStore {
  /** Where a snapshot of that name lies, for operators. */
  url(name: string): string;
  /** Whatever is there, also of others. */
  list(): Promise<readonly KeptSnapshot[]>;
  /** A snapshot is there as a whole or not at all. */
  put(name: string, contents: AsyncIterable<Uint8Array>): Promise<void>;
  read(name: string): Promise<AsyncIterable<Uint8Array>>;
  remove(name: string): Promise<void>;
  close(): void;
}
