import { assert } from '@coffer/kernel';
import type { MembershipChange, MembershipStep, Message, PeerId } from '../message.ts';
import type { ProposeOutcome } from '../raft.ts';
import { formatStatus } from './format.ts';
import { DEFAULT_SETTINGS, TestCluster } from './test-cluster.ts';
import type { NodeSettings } from './test-cluster.ts';

/** A command line: its words, and those of the form `name=value` or `name=(1,2)`. */
interface Line {
  readonly words: readonly string[];
  readonly options: ReadonlyMap<string, string>;
}

function parseLine(text: string): Line {
  const words: string[] = [];
  const options = new Map<string, string>();
  for (const word of text.trim().split(/\s+/u)) {
    const option = /^([a-z-]+)=\(?([^()]*)\)?$/u.exec(word);
    if (option === null) words.push(word);
    else options.set(option[1] ?? '', option[2] ?? '');
  }
  return { words, options };
}

function numbers(text: string | undefined): number[] {
  return text === undefined || text === '' ? [] : text.split(',').map(number);
}

function number(text: string | undefined): number {
  const value = Number(text);
  assert(text !== undefined && Number.isSafeInteger(value), 'transcript: a number is expected');
  return value;
}

const STEP_KINDS = { v: 'add-voter', l: 'add-learner', r: 'remove' } as const;

function parseStep(text: string): MembershipStep {
  const kind = STEP_KINDS[text[0] as keyof typeof STEP_KINDS];
  return { kind, peer: number(text.slice(1)) };
}

const SETTINGS: Readonly<Record<string, keyof NodeSettings>> = {
  'election-ticks': 'electionTicks',
  'heartbeat-ticks': 'heartbeatTicks',
  'append-bytes': 'appendBytesMax',
  inflight: 'inflightMax',
  'uncommitted-bytes': 'uncommittedBytesMax',
};

type Command = (line: Line) => void;

/** The language of transcripts; `README.md` in `testdata` describes it. */
export class Interpreter {
  #output: string[] = [];
  readonly #cluster = new TestCluster((line) => this.#output.push(line));

  /** Everything that came out of a block of commands. */
  run(commands: readonly string[]): readonly string[] {
    this.#output = [];
    for (const text of commands) {
      if (text.trim() === '' || text.startsWith('#')) continue;
      const line = parseLine(text);
      const command = this.#commands[line.words[0] ?? ''];
      assert(command !== undefined, 'transcript: unknown command');
      if (text.startsWith('step ')) this.#step(text.slice(5));
      else command(line);
    }
    return this.#output.length === 0 ? ['ok'] : this.#output;
  }

  #ids({ words }: Line): PeerId[] {
    return words.length > 1 ? words.slice(1).map(number) : [...this.#cluster.nodes.keys()];
  }

  /** For what a transcript is not about. */
  #elect(id: PeerId): void {
    const before = this.#output;
    this.#output = [];
    this.#cluster.raft(id).campaign();
    this.#cluster.stabilize([...this.#cluster.nodes.keys()]);
    const { role, term } = this.#cluster.raft(id).status();
    this.#output = [...before, `${id} is ${role} term=${term}`];
  }

  #outcome(outcome: ProposeOutcome): void {
    if (!outcome.accepted) this.#output.push(`refused: ${outcome.reason}`);
  }

  #addNodes({ words, options }: Line): void {
    const count = number(words[1]);
    const first = this.#cluster.nodes.size + 1;
    const ids = Array.from({ length: count }, (_, at) => first + at);
    const learners = numbers(options.get('learners'));
    const voters = options.has('voters') ? numbers(options.get('voters')) : ids.filter((id) => !learners.includes(id));
    const settings: NodeSettings = { ...DEFAULT_SETTINGS };
    for (const [name, key] of Object.entries(SETTINGS)) {
      if (options.has(name)) Object.assign(settings, { [key]: number(options.get(name)) });
    }
    const index = number(options.get('index') ?? '0');
    const membership = { voters, votersOutgoing: [], learners, learnersNext: [] };
    for (const id of ids) this.#cluster.add(id, settings, { index, term: index === 0 ? 0 : 1, membership });
  }

  #propose({ words }: Line): void {
    const data = words.slice(2).map((word) => {
      const size = /^(\d+)b$/u.exec(word)?.[1];
      return size === undefined ? new TextEncoder().encode(word) : new Uint8Array(number(size));
    });
    this.#outcome(this.#cluster.raft(number(words[1])).propose(data));
  }

  #proposeMembership({ words }: Line): void {
    const change: MembershipChange =
      words[2] === 'leave'
        ? { kind: 'leave' }
        : { kind: 'enter', steps: words.slice(2).map(parseStep), context: new Uint8Array() };
    this.#outcome(this.#cluster.raft(number(words[1])).proposeMembership(change));
  }

  #drop({ options }: Line): void {
    const from = numbers(options.get('from'));
    const to = numbers(options.get('to'));
    const kind = options.get('kind');
    this.#cluster.drop(
      (message) =>
        (from.length === 0 || from.includes(message.from)) &&
        (to.length === 0 || to.includes(message.to)) &&
        (kind === undefined || kind === message.kind),
    );
  }

  /** A message that no node sent. */
  #step(json: string): void {
    const message = JSON.parse(json) as Message;
    this.#cluster.raft(message.to).step(message);
  }

  readonly #commands: Readonly<Record<string, Command | undefined>> = {
    'add-nodes': (line) => this.#addNodes(line),
    campaign: ({ words }) => this.#cluster.raft(number(words[1])).campaign(),
    tick: ({ words }) => {
      for (let left = number(words[2] ?? '1'); left > 0; left--) this.#cluster.raft(number(words[1])).tick();
    },
    elect: ({ words }) => this.#elect(number(words[1])),
    propose: (line) => this.#propose(line),
    'propose-membership': (line) => this.#proposeMembership(line),
    'read-index': ({ words }) =>
      words.slice(2).forEach((w) => this.#cluster.raft(number(words[1])).readIndex(number(w))),
    transfer: ({ words }) => this.#cluster.raft(number(words[1])).transferLeadership(number(words[2])),
    ready: ({ words }) => this.#cluster.takeReady(number(words[1])),
    advance: ({ words }) => this.#cluster.finishReady(number(words[1])),
    'process-ready': (line) => {
      for (const id of this.#ids(line)) {
        if (!this.#cluster.raft(id).hasReady()) continue;
        this.#cluster.takeReady(id);
        this.#cluster.finishReady(id);
      }
    },
    'deliver-msgs': (line) => {
      const lost = numbers(line.options.get('drop'));
      if (lost.length > 0) this.#cluster.drop((message) => lost.includes(message.to));
      this.#cluster.deliver(this.#ids(line));
    },
    'drop-msgs': (line) => this.#drop(line),
    stabilize: (line) => this.#cluster.stabilize(this.#ids(line)),
    isolate: ({ words }) => this.#cluster.isolate(number(words[1])),
    rejoin: ({ words }) => this.#cluster.rejoin(number(words[1])),
    crash: ({ words }) => this.#cluster.crash(number(words[1])),
    restart: ({ words }) => this.#cluster.restart(number(words[1])),
    compact: ({ words }) => this.#cluster.node(number(words[1])).log.compact(number(words[2])),
    'fetch-done': ({ words }) => this.#cluster.finishFetch(number(words[1]), 'sent'),
    'fetch-failed': ({ words }) => this.#cluster.finishFetch(number(words[1]), 'failed'),
    'report-unreachable': ({ words }) => this.#cluster.raft(number(words[1])).reportUnreachable(number(words[2])),
    'report-snapshot': ({ words }) =>
      this.#cluster.raft(number(words[1])).reportSnapshot(number(words[2]), words[3] === 'sent' ? 'sent' : 'failed'),
    step: () => undefined,
    status: (line) => {
      for (const id of this.#ids(line)) this.#output.push(...formatStatus(this.#cluster.raft(id).status()));
    },
    'raft-log': (line) => {
      for (const id of this.#ids(line)) this.#output.push(this.#cluster.describeLog(id));
    },
  };
}
