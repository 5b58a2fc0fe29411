import { assert } from '@coffer/kernel';
import type { CreateRaft, PeerId } from 'raft-ts';
import { checkLinearizable, printOffence, registerModel } from '../linearizability/index.ts';
import { EventQueue, UNITS_PER_TICK } from './event-queue.ts';
import { calmPlan, drawPlan, isRestful } from './fault-plan.ts';
import type { FaultPlan } from './fault-plan.ts';
import { Nemesis } from './nemesis.ts';
import type { Cluster } from './nemesis.ts';
import { BLANK_STATE, isMember, mix } from './register-machine.ts';
import type { MachineState } from './register-machine.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimClients } from './sim-clients.ts';
import { DiskImage, SimDisk } from './sim-disk.ts';
import { SimNetwork } from './sim-network.ts';
import { SimNode } from './sim-node.ts';
import type { NodeWorld } from './sim-node.ts';
import { Violation } from './violation.ts';
import type { Invariant } from './violation.ts';
import { Witness } from './witness.ts';

/** What is simulated, and for how long. */
export interface SimulationSetup {
  readonly createRaft: CreateRaft;
  /** Events in the phase of faults. Default 4000. */
  readonly steps?: number;
  /** Changes the plan that the seed drew; for tests of the simulator itself. */
  readonly adjustPlan?: (plan: FaultPlan) => FaultPlan;
  /** Makes a node's disk; for tests of the simulator itself. */
  readonly makeDisk?: (contents: DiskImage) => SimDisk;
  /** What a node finds when it starts again; for tests of the simulator itself. Default: what it left. */
  readonly reopen?: (contents: DiskImage, id: PeerId) => DiskImage;
  /** Gets a line for everything of note that happens. */
  readonly trace?: (line: string) => void;
}

export interface SimulationReport {
  readonly seed: number;
  readonly steps: number;
  /** Events in both phases. */
  readonly events: number;
  /** Units of simulated time; see `UNITS_PER_TICK`. */
  readonly time: number;
  /** Operations of clients that were answered, and those whose outcome stayed unknown. */
  readonly answered: number;
  readonly unknown: number;
  readonly applied: number;
  /** The highest term. */
  readonly term: number;
  /** Equal for equal runs: a digest of all states at the end, of the number of events and of the history. */
  readonly digest: number;
  /** The history was too hard to judge within the bound. */
  readonly undecided: boolean;
}

/** A schedule that broke a promise. The message says how to run it again. */
export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure';
  readonly seed: number;
  readonly invariant: Invariant;

  constructor(seed: number, steps: number, invariant: Invariant, detail: string, cause: unknown) {
    const replay = `SIM_SEED=${seed} SIM_STEPS=${steps} SIM_TRACE=1 npm run simulate`;
    super(`seed ${seed}: ${detail}\nreplay: ${replay}`, { cause });
    this.seed = seed;
    this.invariant = invariant;
  }
}

/** The number of events of a run if nothing else is said. */
export const STEPS_DEFAULT = 4000;

/** Within so many election timeouts after the last fault a cluster must be well. */
const RECOVERY_ELECTIONS = 60;
/** So many election timeouts of rest are looked at. */
const REST_ELECTIONS = 6;
/** An upper bound that only a program that runs away reaches. */
const RECOVERY_EVENTS_MAX = 400_000;
const CHECK_STEPS_MAX = 300_000;

/**
 * Runs one schedule: a phase of faults, then one of calm in which the cluster must get well, then the judgement of what
 * the clients saw. All chance comes from `seed`: the same seed and setup give the same run.
 *
 * @throws SimulationFailure
 */
export function simulate(seed: number, setup: SimulationSetup): SimulationReport {
  const steps = setup.steps ?? STEPS_DEFAULT;
  try {
    return new Simulation(seed, setup).run(seed, steps);
  } catch (cause) {
    if (cause instanceof Violation) throw new SimulationFailure(seed, steps, cause.invariant, cause.message, cause);
    const text = cause instanceof Error ? `${cause.name}: ${cause.message}` : 'something that is no error was thrown';
    throw new SimulationFailure(seed, steps, 'assertion', text, cause);
  }
}

/** The parts of a run, put together. */
class Simulation implements Cluster {
  readonly queue = new EventQueue();
  readonly random: SeededRandom;
  readonly network: SimNetwork;
  readonly trace: ((line: () => string) => void) | undefined;
  readonly #world: NodeWorld;
  readonly #witness: Witness;
  readonly #nodes = new Map<PeerId, SimNode>();
  readonly #retired = new Set<PeerId>();
  readonly #clients: SimClients;
  readonly #nemesis: Nemesis;
  #plan: FaultPlan;
  #events = 0;

  constructor(seed: number, setup: SimulationSetup) {
    const random = new SeededRandom(seed);
    const drawn = drawPlan(random);
    const plan = setup.adjustPlan?.(drawn) ?? drawn;
    this.#plan = plan;
    this.random = random.fork();
    const { trace } = setup;
    this.trace = trace === undefined ? undefined : (line) => trace(`${this.queue.now()}: ${line()}`);
    this.trace?.(() => `plan ${JSON.stringify(plan)}`);
    this.network = new SimNetwork(this.queue, random.fork(), plan.network, (to, packet) => {
      return this.#nodes.get(to)?.receive(packet) ?? false;
    });
    this.#witness = new Witness((peer) => this.#nodes.get(peer)?.durable());
    this.#world = {
      queue: this.queue,
      network: this.network,
      random: random.fork(),
      witness: this.#witness,
      createRaft: setup.createRaft,
      plan: () => this.#plan,
      makeDisk: setup.makeDisk ?? ((contents) => new SimDisk(contents)),
      reopen: setup.reopen ?? ((contents) => contents),
      trace: this.trace,
    };
    this.#bootstrap();
    this.#clients = new SimClients(this.queue, random.fork(), plan.clients, () => this.#callable());
    this.#nemesis = new Nemesis(this, plan);
  }

  run(seed: number, steps: number): SimulationReport {
    while (this.#events < steps) this.#step();
    this.#recover();
    this.#rest();
    const history = this.#clients.history((command) => this.#witness.executed(command));
    const result = checkLinearizable(registerModel, history, { stepsMax: CHECK_STEPS_MAX });
    if (result.verdict === 'not-linearizable') throw new Violation('linearizability', printOffence(result.offence));
    const states = this.nodes().map((node) => node.machine());
    const unknown = history.filter(({ end }) => end === Infinity).length;
    const terms = this.nodes().map((node) => node.durable().hardState.term);
    return {
      seed,
      steps,
      events: this.#events,
      time: this.queue.now(),
      answered: history.length - unknown,
      unknown,
      applied: this.#witness.appliedMax(),
      term: Math.max(...terms),
      digest: [this.#events, history.length, ...states.map((state) => state.digest)].reduce(mix, 0),
      undecided: result.verdict === 'undecided',
    };
  }

  nodes(): readonly SimNode[] {
    return [...this.#nodes.values()];
  }

  leader(): SimNode | undefined {
    let leader: SimNode | undefined;
    let term = 0;
    for (const node of this.#nodes.values()) {
      const status = node.status();
      if (status?.role !== 'leader' || status.term <= term) continue;
      leader = node;
      term = status.term;
    }
    return leader;
  }

  join(): SimNode {
    const node = this.#add(this.#nodes.size + 1, BLANK_STATE);
    node.start();
    return node;
  }

  retire(node: SimNode): void {
    this.trace?.(() => `node ${node.id} is retired`);
    node.crash();
    this.#retired.add(node.id);
  }

  retired(peer: PeerId): boolean {
    return this.#retired.has(peer);
  }

  /** The first nodes start from a state in common, as the members of a new cluster do; later ones from nothing. */
  #bootstrap(): void {
    const { voters, learners } = this.#plan;
    const ids = Array.from({ length: voters + learners }, (_, index) => index + 1);
    const membership = {
      voters: ids.slice(0, voters),
      votersOutgoing: [],
      learners: ids.slice(voters),
      learnersNext: [],
    };
    const state: MachineState = { ...BLANK_STATE, applied: 1, term: 1, membership };
    this.#witness.bootstrapped(state);
    for (const id of ids) this.#add(id, state);
    for (const node of this.nodes()) node.start();
  }

  #add(id: PeerId, state: MachineState): SimNode {
    const { applied: index, term } = state;
    const contents = new DiskImage({ term, vote: 0, commit: index }, state, { index, term });
    const node = new SimNode(id, this.#world, contents);
    this.#nodes.set(id, node);
    return node;
  }

  /** Whom clients call: nodes that are up, the leader first. */
  #callable(): readonly SimNode[] {
    const up = this.nodes().filter((node) => node.up() && node.machine().applied > 0);
    const leader = this.leader();
    return leader === undefined ? up : [leader, ...up.filter((node) => node !== leader)];
  }

  #step(): void {
    this.#events += 1;
    assert(this.queue.runNext(), 'sim: clocks always tick');
  }

  /** The end of all faults: within the bound there is a leader, it takes a write, and all members apply it. */
  #recover(): void {
    this.trace?.(() => 'calm');
    const changes = this.#plan.membership.mean > 0;
    this.#plan = calmPlan(this.#plan);
    this.network.use(this.#plan.network);
    this.network.forget(2 * this.#plan.raft.electionTicks * UNITS_PER_TICK);
    this.#nemesis.stop();
    if (!changes) this.#leaveDown();
    const bound = this.queue.now() + RECOVERY_ELECTIONS * this.#plan.raft.electionTicks * UNITS_PER_TICK;
    const eventsMax = this.#events + RECOVERY_EVENTS_MAX;
    let written = false;
    const probe = (): void => {
      const [first] = this.#callable();
      if (first !== undefined && !written) this.#clients.probe(first, () => (written = true));
      if (!written) this.queue.after(this.#plan.raft.electionTicks * UNITS_PER_TICK, probe);
    };
    this.queue.after(this.#plan.raft.electionTicks * UNITS_PER_TICK, probe);
    for (;;) {
      this.#step();
      if (written) this.#clients.stop();
      if (written && this.#converged()) return;
      if (this.queue.now() < bound && this.#events < eventsMax) continue;
      throw new Violation('liveness', this.#standstill(written));
    }
  }

  /** After that nothing happens: the leader leads on, nobody else tries, and there are heartbeats and little else. */
  #rest(): void {
    const { raft } = this.#plan;
    if (!isRestful(this.#plan)) return;
    const election = raft.electionTicks * UNITS_PER_TICK;
    // What the faults began, such as a transfer, may yet come to its end.
    this.#runFor(2 * election);
    const leader = this.leader();
    const term = leader?.status()?.term;
    const sent = this.network.sent();
    this.#runFor(REST_ELECTIONS * election);
    if (leader === undefined || this.leader() !== leader || leader.status()?.term !== term) {
      throw new Violation('stability', `node ${leader?.id ?? 0} led term ${term ?? 0}, and then: ${this.#overview()}`);
    }
    // Heartbeats of a fast clock with their answers, and what those say to each other who do not know that they are out.
    const nodes = this.nodes().length;
    const ticks = REST_ELECTIONS * raft.electionTicks;
    const most = 4 * nodes * ticks + REST_ELECTIONS * nodes * nodes;
    const said = this.network.sent() - sent;
    if (said > most) throw new Violation('quiet', `${said} messages in ${ticks} ticks of ${nodes} nodes at rest`);
  }

  #runFor(units: number): void {
    const until = this.queue.now() + units;
    while (this.queue.now() < until) this.#step();
  }

  /** A majority is enough: some voters stay down for good. */
  #leaveDown(): void {
    const { voters, minorityStaysDown } = this.#plan;
    if (!minorityStaysDown) return;
    let left = this.random.between(0, Math.floor((voters - 1) / 2));
    const leader = this.leader();
    for (const node of this.random.sample(this.nodes().slice(0, voters), left)) {
      if (left === 1 && leader !== undefined && this.random.chance(500)) this.retire(leader);
      else this.retire(node);
      left -= 1;
    }
  }

  /** All members applied the same, and that is all there is. */
  #converged(): boolean {
    const leader = this.leader();
    const status = leader?.status();
    if (leader === undefined || status === undefined || status.commit < status.lastIndex) return false;
    if (status.membership.votersOutgoing.length > 0) return false;
    const { applied, digest } = leader.machine();
    if (applied < this.#witness.appliedMax() || applied < status.commit) return false;
    for (const node of this.#nodes.values()) {
      if (!isMember(status.membership, node.id) || this.#retired.has(node.id)) continue;
      const state = node.machine();
      if (state.applied !== applied) return false;
      if (state.digest !== digest) {
        throw new Violation('state machine safety', `nodes ${leader.id} and ${node.id} differ at ${applied}`);
      }
    }
    return true;
  }

  #standstill(written: boolean): string {
    return `${written ? 'the write reached not all members' : 'no write succeeded'}: ${this.#overview()}`;
  }

  #overview(): string {
    const nodes = this.nodes().map((node) => {
      const status = node.status();
      if (status === undefined) return `${node.id} down`;
      const { role, term, commit, lastIndex } = status;
      return `${node.id} ${role} term ${term} applied ${node.machine().applied} commit ${commit} last ${lastIndex}`;
    });
    return nodes.join('; ');
  }
}
