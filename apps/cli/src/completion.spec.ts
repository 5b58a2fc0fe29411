import { complete, completionScript } from './completion.ts';

const words = (line: string): readonly string[] => complete(line, line.length);

describe('completion', () => {
  it('offers commands, subcommands and flags that fit what is there', () => {
    expect(words('coffer k')).toEqual(['kv']);
    expect(words('coffer kv m')).toEqual(['metadata']);
    expect(words('coffer kv metadata ')).toEqual(['delete', 'get', 'patch', 'put']);
    expect(words('coffer operator raft snapshot ')).toEqual(['inspect', 'restore', 'save']);
    expect(words('coffer kv get -fo')).toEqual(['-format']);
    expect(words('coffer kv get -field=x -mo')).toEqual(['-mount']);
  });

  it('looks only at what stands before the cursor', () => {
    expect(complete('coffer kv get secret/x', 'coffer kv ge'.length)).toEqual(['get']);
  });

  it('offers nothing where nothing fits', () => {
    expect(words('coffer nosuch ')).toEqual([]);
    expect(words('coffer version -nosuch')).toEqual([]);
  });

  it('has a script for each shell, and for no other', () => {
    for (const shell of ['bash', 'zsh', 'fish']) expect(completionScript(shell, 'coffer')).toContain('coffer');
    expect(completionScript('tcsh', 'coffer')).toBeUndefined();
  });
});
