import type { RegisterInput, RegisterOperation, RegisterOutput } from '../linearizability/index.ts';
import type { EventQueue } from './event-queue.ts';
import type { ClientPlan } from './fault-plan.ts';
import type { Command } from './register-machine.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { Answer } from './node-life.ts';
import type { SimNode } from './sim-node.ts';

interface Call {
  readonly client: number;
  readonly input: RegisterInput;
  readonly start: number;
  /** Of a write. */
  command?: number;
  settled: boolean;
}

/** Clients that read and write registers through any node, and remember what they were told. */
export class SimClients {
  readonly #queue: EventQueue;
  readonly #random: SeededRandom;
  readonly #plan: ClientPlan;
  readonly #nodes: () => readonly SimNode[];
  readonly #history: RegisterOperation[] = [];
  /** The times of the history: every start and every end has a number of its own. */
  #moment = 0;
  #commands = 0;
  #stopped = false;
  /** What was last seen of each key, so that some comparisons succeed. */
  readonly #lastSeen = new Map<string, string | undefined>();
  readonly #open = new Set<Call>();

  /** @param nodes those that a client could call, believed leaders first. */
  constructor(queue: EventQueue, random: SeededRandom, plan: ClientPlan, nodes: () => readonly SimNode[]) {
    this.#queue = queue;
    this.#random = random;
    this.#plan = plan;
    this.#nodes = nodes;
    for (let client = 1; client <= plan.count; client += 1) this.#think(client);
  }

  /** No new calls. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * What happened, once nothing happens any more. Calls without an answer are of unknown outcome, but those that no node
   * ever executed did not happen: without them far more histories can be judged.
   */
  history(executed: (command: number) => boolean): readonly RegisterOperation[] {
    const unknown = [...this.#open].filter(({ command }) => command !== undefined && executed(command));
    return [...this.#history, ...unknown.map(unknownOutcome)];
  }

  /** A write of its own, outside of the crowd's; `done` if and when it succeeds. */
  probe(node: SimNode, done: () => void): void {
    this.#call(0, node, { kind: 'put', key: 'probe', value: String(this.#commands) }, (answer) => {
      if (answer?.kind === 'done') done();
    });
  }

  #think(client: number): void {
    this.#queue.after(this.#random.between(1, this.#plan.thinkMax), () => {
      if (this.#stopped) return;
      const node = this.#node();
      if (node === undefined) this.#think(client);
      else this.#call(client, node, this.#input(), () => this.#think(client));
    });
  }

  #node(): SimNode | undefined {
    const nodes = this.#nodes();
    const first = nodes[0];
    if (first === undefined) return undefined;
    return this.#random.chance(this.#plan.toLeaderPerMille) ? first : this.#random.pick(nodes);
  }

  #input(): RegisterInput {
    const key = `k${this.#random.below(this.#plan.keys)}`;
    if (this.#random.chance(this.#plan.readPerMille)) return { kind: 'get', key };
    const value = `v${this.#commands}`;
    if (!this.#random.chance(this.#plan.casPerMille)) return { kind: 'put', key, value };
    return { kind: 'cas', key, expected: this.#lastSeen.get(key), value };
  }

  #call(client: number, node: SimNode, input: RegisterInput, then: (answer?: Answer) => void): void {
    const call: Call = { client, input, start: this.#moment, settled: false };
    this.#moment += 1;
    this.#open.add(call);
    const answer = (given: Answer): void => {
      if (call.settled) return;
      this.#settle(call, given);
      then(given);
    };
    // A call that times out stays open for the checker: it may yet happen.
    this.#queue.after(this.#plan.timeout, () => {
      if (call.settled) return;
      call.settled = true;
      then();
    });
    if (input.kind === 'get') node.read(input.key, answer);
    else {
      const command = this.#command(input);
      call.command = command.id;
      node.write(command, answer);
    }
  }

  #command(input: Command['input']): Command {
    this.#commands += 1;
    return { id: this.#commands, input };
  }

  #settle(call: Call, answer: Answer): void {
    call.settled = true;
    this.#open.delete(call);
    const end = this.#moment;
    this.#moment += 1;
    // What was refused did not happen and says nothing.
    if (answer.kind === 'refused') return;
    const { client, input, start } = call;
    this.#history.push({ client, input, start, end, output: answer.output });
    this.#learn(input, answer.output);
  }

  #learn(input: RegisterInput, output: RegisterOutput): void {
    if (output.kind === 'got') this.#lastSeen.set(input.key, output.value);
    else if (input.kind !== 'get') this.#lastSeen.set(input.key, input.value);
  }
}

function unknownOutcome({ client, input, start }: Call): RegisterOperation {
  return { client, input, start, end: Infinity };
}
