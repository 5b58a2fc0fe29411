import { Doorstep } from './doorstep.ts';

const visitor = (remoteAddress: string | undefined, remotePort: number, gone: string[]) => ({
  remoteAddress,
  remotePort,
  destroy: () => void gone.push(`${String(remoteAddress)}:${String(remotePort)}`),
});

describe('the doorstep of the cluster port', () => {
  it('has room for so many, and turns out the oldest of whoever has the most', () => {
    const gone: string[] = [];
    const doorstep = new Doorstep(4);
    doorstep.arrive(visitor('10.0.0.1', 1, gone));
    for (const port of [1, 2, 3]) doorstep.arrive(visitor('10.0.0.9', port, gone));
    expect(gone).toEqual([]);
    doorstep.arrive(visitor('10.0.0.2', 1, gone));
    doorstep.arrive(visitor('10.0.0.9', 4, gone));
    expect(gone).toEqual(['10.0.0.9:1', '10.0.0.9:2']);
    expect(doorstep.count).toBe(4);
  });

  it('forgets who left, once', () => {
    const gone: string[] = [];
    const doorstep = new Doorstep(1);
    doorstep.arrive(visitor('10.0.0.1', 1, gone));
    doorstep.leave('10.0.0.1', 1);
    doorstep.leave('10.0.0.1', 1);
    doorstep.leave('10.0.0.7', 1);
    expect(doorstep.count).toBe(0);
    doorstep.arrive(visitor('10.0.0.2', 1, gone));
    expect(gone).toEqual([]);
  });

  it('lets nobody stand there who is gone already', () => {
    const gone: string[] = [];
    const doorstep = new Doorstep(1);
    doorstep.arrive(visitor(undefined, 1, gone));
    expect(gone).toEqual(['undefined:1']);
    expect(doorstep.count).toBe(0);
  });
});
