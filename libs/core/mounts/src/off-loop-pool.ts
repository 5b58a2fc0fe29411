import { Worker } from 'node:worker_threads';
import { assert } from '@coffer/kernel';
import type { OffLoopWork } from '@coffer/sdk';

/** Runs what would block the loop (bcrypt, RSA key generation) elsewhere. */
export interface OffLoop {
  /** Arguments and result are structured-cloned. @throws what the function throws */
  run<A extends readonly unknown[], T>(work: OffLoopWork<A, T>, args: A): Promise<T>;
  close(): Promise<void>;
}

interface Task {
  readonly module: string;
  readonly name: string;
  readonly args: readonly unknown[];
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Reply {
  readonly value?: unknown;
  readonly error?: unknown;
}

const WORKER_SOURCE = `
import { parentPort } from 'node:worker_threads';
parentPort.on('message', async ({ module, name, args }) => {
  try {
    const run = (await import(module))[name];
    if (typeof run !== 'function') throw new TypeError(module + ' exports no function ' + name);
    parentPort.postMessage({ value: await run(...args) });
  } catch (error) {
    parentPort.postMessage({ error });
  }
});
`;

interface Thread {
  readonly worker: Worker;
  task?: Task;
}

/** A few threads, started when first needed; what waits is bounded by the gateway's limit on requests under way. */
export class OffLoopPool implements OffLoop {
  readonly #threadsMax: number;
  readonly #threads: Thread[] = [];
  readonly #waiting: Task[] = [];
  #closed = false;

  constructor(threadsMax: number) {
    assert(threadsMax > 0, 'the pool has a thread');
    this.#threadsMax = threadsMax;
  }

  run<A extends readonly unknown[], T>({ module, name }: OffLoopWork<A, T>, args: A): Promise<T> {
    if (this.#closed) return Promise.reject(new Error('the pool is closed'));
    return new Promise<T>((resolve, reject) => {
      // The function's own type is the caller's contract.
      this.#waiting.push({ module: module.href, name, args, resolve: resolve as (value: unknown) => void, reject });
      this.#next();
    });
  }

  #next(): void {
    let idle = this.#threads.find((thread) => !thread.task);
    if (!idle && this.#threads.length < this.#threadsMax) this.#threads.push((idle = this.#start()));
    const task = idle && this.#waiting.shift();
    if (!idle || !task) return;
    idle.task = task;
    idle.worker.ref();
    idle.worker.postMessage({ module: task.module, name: task.name, args: task.args });
  }

  #start(): Thread {
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(WORKER_SOURCE)}`));
    const thread: Thread = { worker };
    worker.unref();
    worker.on('message', (reply: Reply) => {
      const task = this.#finish(thread);
      if ('error' in reply) task?.reject(reply.error);
      else task?.resolve(reply.value);
      this.#next();
    });
    worker.on('error', (error) => this.#lost(thread, error));
    // Closed, or ended by what ran on it: whoever waits for the answer must not wait forever.
    worker.on('exit', () => this.#lost(thread, new Error('the thread has ended')));
    return thread;
  }

  #lost(thread: Thread, error: Error): void {
    const at = this.#threads.indexOf(thread);
    if (at !== -1) this.#threads.splice(at, 1);
    this.#finish(thread)?.reject(error);
    if (!this.#closed) this.#next();
  }

  #finish(thread: Thread): Task | undefined {
    const { task } = thread;
    delete thread.task;
    thread.worker.unref();
    return task;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const task of this.#waiting.splice(0)) task.reject(new Error('the pool is closed'));
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
  }
}
