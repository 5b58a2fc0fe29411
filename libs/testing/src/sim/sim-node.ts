import { assert } from '@coffer/kernel';
import type { CreateRaft, Entry, LogIndex, Message, PeerId, Raft, RaftStanding, Ready } from 'raft-ts';
import type { EventQueue } from './event-queue.ts';
import { UNITS_PER_TICK } from './event-queue.ts';
import type { FaultPlan } from './fault-plan.ts';
import { NodeLife } from './node-life.ts';
import type { Answer } from './node-life.ts';
import { applyCommand, decodeCommand, digestEntry, encodeCommand, mix } from './register-machine.ts';
import type { Command, MachineState } from './register-machine.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { Batch, DiskImage, SimDisk } from './sim-disk.ts';
import type { Packet, SimNetwork } from './sim-network.ts';
import { Violation } from './violation.ts';
import type { Observed, Witness } from './witness.ts';

/** What a node runs in. */
export interface NodeWorld {
  readonly queue: EventQueue;
  readonly network: SimNetwork;
  readonly random: SeededRandom;
  readonly witness: Witness;
  readonly createRaft: CreateRaft;
  readonly plan: () => FaultPlan;
  readonly makeDisk: (contents: DiskImage) => SimDisk;
  readonly reopen: (contents: DiskImage, id: PeerId) => DiskImage;
  readonly trace: ((line: () => string) => void) | undefined;
}

/** The host of one core: disk, network, state machine, and clients that call it. */
export class SimNode {
  readonly id: PeerId;
  readonly #world: NodeWorld;
  readonly #tickEvery: number;
  #contents: DiskImage;
  #life: NodeLife | undefined;
  #readCount = 0;

  constructor(id: PeerId, world: NodeWorld, contents: DiskImage) {
    this.id = id;
    this.#world = world;
    this.#contents = contents;
    const { driftPerCent } = world.plan().clock;
    this.#tickEvery = UNITS_PER_TICK + world.random.between(-driftPerCent, driftPerCent);
  }

  up(): boolean {
    return this.#life !== undefined;
  }

  /** Of a node that is up. */
  status(): RaftStanding | undefined {
    return this.#life?.raft.standing();
  }

  /** What would be there after the worst crash now. */
  durable(): DiskImage {
    return this.#life?.disk.durable() ?? this.#contents;
  }

  /** The state in memory, or on the disk of a node that is down. */
  machine(): MachineState {
    return this.#life?.machine ?? this.#contents.machine;
  }

  start(): void {
    assert(this.#life === undefined, 'sim: a node is started once');
    const { random, createRaft, makeDisk, plan, witness } = this.#world;
    const disk = makeDisk(this.#contents);
    const { machine, hardState } = this.#contents;
    const restored = { hardState, membership: machine.membership, applied: machine.applied };
    const chance = random.fork();
    const config = { id: this.id, ...plan().raft, random: (below: number) => chance.below(below) };
    const life = new NodeLife(createRaft(config, restored, disk), disk, machine);
    this.#life = life;
    this.#trace(() => `starts at ${machine.applied}, term ${hardState.term}, vote ${hardState.vote}`);
    witness.started(this.id, life.raft.standing());
    this.#after(random.between(1, this.#tickEvery), life, () => this.#tick(life));
    this.#act(life, () => undefined);
  }

  /** Power off. */
  crash(): void {
    const life = this.#life;
    if (life === undefined) return;
    const { random } = this.#world;
    const tears = random.chance(this.#world.plan().disk.tearPerMille);
    const surviving = tears ? random.between(0, life.disk.pending()) : 0;
    this.#trace(() => `crashes; ${surviving} of ${life.disk.pending()} unsynced batches survive`);
    this.#contents = this.#world.reopen(life.disk.crash(surviving), this.id);
    this.#life = undefined;
  }

  /** Nothing happens on this node for a while, as under a stopped machine; what arrives waits. */
  pause(length: number): void {
    const life = this.#life;
    if (life === undefined || life.pausedUntil > this.#world.queue.now()) return;
    this.#trace(() => `pauses for ${length}`);
    life.pausedUntil = this.#world.queue.now() + length;
    this.#world.queue.after(length, () => this.#resume(life));
  }

  /** Ends a pause early. */
  wake(): void {
    if (this.#life !== undefined) this.#resume(this.#life);
  }

  /** A packet arrives. False if nobody is there. */
  receive(packet: Packet): boolean {
    const life = this.#life;
    if (life === undefined) return false;
    this.#act(life, () => {
      if (packet.kind === 'forward') {
        life.raft.propose([encodeCommand(packet.command)]);
        return;
      }
      const { message, contents } = packet;
      life.watch.heard(message.from);
      if (contents !== undefined) life.offers.set(offerKey(message.from, contents.applied), contents);
      this.#trace(() => `gets ${JSON.stringify(message)}`);
      life.raft.step(message);
    });
    return true;
  }

  /** A client's write. The answer comes when this node applies it, so perhaps never. */
  write(command: Command, answer: (answer: Answer) => void): void {
    const life = this.#life;
    if (life === undefined) return answer({ kind: 'refused' });
    this.#act(life, () => {
      const outcome = life.raft.propose([encodeCommand(command)]);
      if (outcome.accepted) {
        life.writes.set(command.id, answer);
        return;
      }
      const { leader } = life.raft.standing();
      const { network, plan } = this.#world;
      if (outcome.reason !== 'not-leader' || leader === 0 || leader === this.id || !plan().clients.forward) {
        return answer({ kind: 'refused' });
      }
      life.writes.set(command.id, answer);
      network.send(this.id, leader, { kind: 'forward', command });
    });
  }

  /** A client's read, linearizable. */
  read(key: string, answer: (answer: Answer) => void): void {
    const life = this.#life;
    if (life === undefined) return answer({ kind: 'refused' });
    this.#act(life, () => {
      this.#readCount += 1;
      life.reads.set(this.#readCount, { key, answer });
      life.raft.readIndex(this.#readCount);
    });
  }

  /** Something that an operator does with the core. */
  command(action: (raft: Raft) => void): void {
    const life = this.#life;
    if (life !== undefined) this.#act(life, () => action(life.raft));
  }

  #tick(life: NodeLife): void {
    this.#after(this.#tickEvery, life, () => this.#tick(life));
    // A stopped machine does not count the ticks it slept through.
    if (life.pausedUntil > this.#world.queue.now()) return;
    this.#act(life, () => {
      life.raft.tick();
      life.watch.ticked(life.raft.standing(), this.#world.plan().raft.electionTicks);
    });
  }

  #after(delay: number, life: NodeLife, run: () => void): void {
    this.#world.queue.after(delay, () => {
      if (this.#life === life) run();
    });
  }

  #resume(life: NodeLife): void {
    if (this.#life !== life) return;
    life.pausedUntil = 0;
    for (const action of life.backlog.splice(0)) if (this.#life === life) this.#act(life, action);
  }

  /** Every call of the core goes through here. */
  #act(life: NodeLife, action: () => void): void {
    if (life.pausedUntil > this.#world.queue.now()) {
      life.backlog.push(action);
      return;
    }
    action();
    this.#world.witness.observe(this.#observed(life), life.raft.standing());
    this.#pump(life);
  }

  #observed({ disk }: NodeLife): Observed {
    return { id: this.id, logTerm: (index) => disk.term(index), firstIndex: () => disk.firstIndex() };
  }

  #pump(life: NodeLife): void {
    for (let rounds = 0; !life.writing; rounds += 1) {
      if (rounds > 1000) throw new Violation('liveness', `node ${this.id} is never done with its Ready`);
      if (life.install !== undefined) this.#install(life, life.install);
      else if (life.raft.hasReady()) this.#begin(life, life.raft.ready());
      else return;
    }
  }

  #begin(life: NodeLife, ready: Ready): void {
    const { witness } = this.#world;
    witness.readied(this.#observed(life), ready);
    this.#send(life, ready.earlyMessages);
    const batch: Batch = {
      ...(ready.hardState === undefined ? {} : { hardState: ready.hardState }),
      ...(ready.entries.length === 0 ? {} : { entries: ready.entries }),
    };
    if (ready.mustSync) {
      this.#sync(life, batch, () => this.#finish(life, ready));
      return;
    }
    if (ready.hardState !== undefined || ready.entries.length > 0) {
      life.disk.submit(batch);
      life.disk.complete(batch, false);
    }
    this.#finish(life, ready);
  }

  #sync(life: NodeLife, batch: Batch, then: () => void): void {
    const { random, plan } = this.#world;
    const { syncMin, syncMax, stallPerMille, stallMax } = plan().disk;
    life.writing = true;
    life.disk.submit(batch);
    const stalls = stallPerMille > 0 && random.chance(stallPerMille);
    this.#after(random.between(syncMin, stalls ? stallMax : syncMax), life, () =>
      this.#act(life, () => {
        life.disk.complete(batch, true);
        life.writing = false;
        then();
      }),
    );
  }

  #finish(life: NodeLife, ready: Ready): void {
    if (ready.status !== undefined) {
      const { role, term, leader } = ready.status;
      this.#trace(() => `is ${role} in term ${term}, leader ${leader}`);
    }
    if (ready.snapshot !== undefined) this.#fetch(life, ready.snapshot.from, ready.snapshot.meta.index);
    this.#send(life, ready.messages);
    life.committed.push(...ready.committed);
    this.#applySoon(life);
    for (const state of ready.readStates) this.#readable(life, state);
    life.raft.advance();
    this.#world.witness.observe(this.#observed(life), life.raft.standing());
  }

  #send(life: NodeLife, messages: readonly Message[]): void {
    const { network, random, plan, witness } = this.#world;
    for (const message of messages) {
      witness.sent(message);
      if (message.kind === 'snapshot') {
        this.#sendSnapshot(life, message);
        continue;
      }
      const noticed = random.chance(plan().network.noticePerMille);
      network.send(this.id, message.to, { kind: 'core', message }, (outcome) => {
        if (outcome === 'lost' && noticed && this.#life === life) {
          this.#act(life, () => life.raft.reportUnreachable(message.to));
        }
      });
    }
  }

  /** Sends the state as it is: at least as new as the core wants it. */
  #sendSnapshot(life: NodeLife, message: Message & { readonly kind: 'snapshot' }): void {
    const { machine } = life;
    assert(machine.applied >= message.snapshot.index, 'sim: the core sends only what was applied');
    const snapshot = { index: machine.applied, term: machine.term, membership: machine.membership };
    const packet: Packet = { kind: 'core', message: { ...message, snapshot }, contents: machine };
    this.#world.network.send(this.id, message.to, packet, (outcome) => {
      if (this.#life !== life) return;
      this.#act(life, () => life.raft.reportSnapshot(message.to, outcome === 'delivered' ? 'sent' : 'failed'));
    });
  }

  /** Takes in the contents of a snapshot, which takes a while. */
  #fetch(life: NodeLife, from: PeerId, index: LogIndex): void {
    const { random, plan } = this.#world;
    const contents = life.offers.get(offerKey(from, index));
    life.offers.clear();
    const fails = contents === undefined || random.chance(plan().installFailsPerMille);
    this.#after(random.between(1, 2 * UNITS_PER_TICK), life, () =>
      this.#act(life, () => {
        if (fails) life.raft.snapshotFailed();
        else life.install = contents;
      }),
    );
  }

  #install(life: NodeLife, contents: MachineState): void {
    life.install = undefined;
    if (contents.applied <= life.machine.applied) {
      life.raft.snapshotFailed();
      return;
    }
    this.#world.witness.installed(this.id, contents);
    const { applied: index, term, membership } = contents;
    life.installing = true;
    this.#sync(life, { install: { index, term, machine: contents } }, () => {
      life.installing = false;
      this.#trace(() => `installed the snapshot of ${index}`);
      life.machine = contents;
      const kept = life.committed.filter((entry) => entry.index > index);
      life.committed.splice(0, life.committed.length, ...kept);
      this.#world.witness.replaced(this.#observed(life), contents);
      life.raft.snapshotInstalled({ index, term, membership });
      this.#answerReads(life);
      this.#applySoon(life);
    });
  }

  #applySoon(life: NodeLife): void {
    if (life.applying || life.installing || life.committed.length === 0) return;
    life.applying = true;
    const { random, plan } = this.#world;
    const delay = random.between(0, plan().applyDelayMax);
    this.#after(delay, life, () => this.#act(life, () => this.#applySome(life)));
  }

  #applySome(life: NodeLife): void {
    life.applying = false;
    if (life.installing) return;
    const count = this.#world.random.between(1, 8);
    for (const entry of life.committed.splice(0, count)) this.#apply(life, entry);
    life.raft.appliedTo(life.machine.applied);
    const batch: Batch = { machine: life.machine, ...this.#compaction(life) };
    life.disk.submit(batch);
    life.disk.complete(batch, false);
    this.#answerReads(life);
    this.#applySoon(life);
  }

  #apply(life: NodeLife, entry: Entry): void {
    const { machine, raft } = life;
    if (entry.index !== machine.applied + 1) {
      throw new Violation('order of application', `node ${this.id} got ${entry.index} after ${machine.applied}`);
    }
    let { values, membership } = machine;
    let answer: (() => void) | undefined;
    if (entry.kind === 'data') {
      const command = decodeCommand(entry.data);
      const result = applyCommand(values, command);
      values = result.values;
      this.#world.witness.executes(command.id);
      const waiting = life.writes.get(command.id);
      life.writes.delete(command.id);
      answer = () => waiting?.({ kind: 'done', output: result.output });
    } else if (entry.kind === 'membership') {
      membership = raft.applyMembership(entry.change);
      this.#trace(() => `applies ${JSON.stringify(membership)}`);
    }
    const digest = digestEntry(entry, mix(machine.digest, entry.index));
    life.machine = { applied: entry.index, term: entry.term, membership, values, digest };
    this.#world.witness.applied(this.id, life.machine, raft.standing().term);
    answer?.();
  }

  #compaction(life: NodeLife): { readonly compactTo?: LogIndex } {
    const { compactAfter, compactKeeps } = this.#world.plan();
    const { applied } = life.machine;
    if (compactAfter === 0 || applied - life.disk.firstIndex() < compactAfter) return {};
    return { compactTo: Math.max(life.disk.firstIndex() - 1, applied - compactKeeps) };
  }

  #readable(life: NodeLife, state: Ready['readStates'][number]): void {
    const read = life.reads.get(state.request);
    if (read === undefined) return;
    life.reads.delete(state.request);
    if ('failed' in state) return read.answer({ kind: 'refused' });
    life.waitingReads.push({ index: state.index, ...read });
    this.#answerReads(life);
  }

  #answerReads(life: NodeLife): void {
    const { applied, values } = life.machine;
    const due = life.waitingReads.filter(({ index }) => index <= applied);
    if (due.length === 0) return;
    life.waitingReads = life.waitingReads.filter(({ index }) => index > applied);
    for (const { key, answer } of due) {
      answer({ kind: 'done', output: { kind: 'got', value: values.get(key) } });
    }
  }

  #trace(line: () => string): void {
    this.#world.trace?.(() => `node ${this.id} ${line()}`);
  }
}

function offerKey(from: PeerId, index: LogIndex): string {
  return `${from}/${index}`;
}
