/**
 * Has the first piece ready before anything is sent, so that what goes wrong at first can still be told; and lets go of
 * what the pieces hold also where nobody ever reads them.
 */
export async function primed(pieces: AsyncGenerator<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  let first: IteratorResult<Uint8Array> | undefined = await pieces.next();
  const iterator: AsyncIterator<Uint8Array> = {
    next: () => {
      if (first === undefined) return pieces.next();
      const ready = first;
      first = undefined;
      return Promise.resolve(ready);
    },
    return: () => pieces.return(undefined),
  };
  return { [Symbol.asyncIterator]: () => iterator };
}
