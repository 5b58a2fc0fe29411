import { lookup, resolveSrv } from 'node:dns/promises';
import { isIP } from 'node:net';
import { assertNever } from '@coffer/kernel';
import type { Log, LogFields } from '@coffer/kernel';
import type { JoinTarget } from '../cluster.ts';
import type { Discovery, InstanceDiscovery, JoinSource, PodDiscovery } from './join-source.ts';

export interface Place {
  readonly host: string;
  /** Where the directory tells one. */
  readonly port?: number;
  /** The name that the place's certificate is for, where that is not `host`. */
  readonly name?: string;
}

/** Directories that are asked; tests bring their own. */
export interface Directories {
  /** All addresses of a name. */
  addresses(name: string): Promise<readonly string[]>;
  services(name: string): Promise<readonly Place[]>;
  pods(query: PodDiscovery): Promise<readonly Place[]>;
  instances(query: InstanceDiscovery): Promise<readonly Place[]>;
}

/** So many nodes are tried at most; a directory that tells of more is taken for wrong. */
const TARGETS_MAX = 64;

/** The nodes to ask, found anew each time: names may stand for several nodes, and for others tomorrow. */
export class JoinTargets {
  readonly #sources: readonly JoinSource[];
  readonly #directories: Directories;
  readonly #log: Log;
  /** What each source last complained of: said once, not with every try. */
  readonly #complaints = new Map<JoinSource, string>();

  constructor(sources: readonly JoinSource[], directories: Directories, log: Log) {
    this.#sources = sources;
    this.#directories = directories;
    this.#log = log;
  }

  get none(): boolean {
    return this.#sources.length === 0;
  }

  /** Never fails: a directory that does not answer is skipped, with a word in the log. */
  async now(): Promise<readonly JoinTarget[]> {
    const found = await Promise.all(this.#sources.map((source) => this.#targetsOf(source)));
    const targets = found.flat();
    if (targets.length > TARGETS_MAX) this.#log.warn('there are too many nodes to join', { count: targets.length });
    return targets.slice(0, TARGETS_MAX);
  }

  async #targetsOf(source: JoinSource): Promise<readonly JoinTarget[]> {
    try {
      const found = source.kind === 'address' ? await this.#each(source.target) : await this.#discovered(source);
      if (found.length === 0) this.#complain(source, 'the directory names no node to join', {});
      else this.#complaints.delete(source);
      return found;
    } catch (error) {
      this.#complain(source, 'cannot find out where the nodes to join are', { error });
      return source.kind === 'address' ? [source.target] : [];
    }
  }

  #complain(source: JoinSource, message: string, fields: LogFields): void {
    const what = source.kind === 'address' ? source.target.leaderApiAddress : `provider=${source.discover.provider}`;
    const complaint = `${message}: ${String(fields['error'])}`;
    if (this.#complaints.get(source) === complaint) return;
    this.#complaints.set(source, complaint);
    this.#log.warn(message, { what, ...fields });
  }

  /** One target for each address of its name. */
  async #each(target: JoinTarget): Promise<readonly JoinTarget[]> {
    const host = URL.parse(target.leaderApiAddress)?.hostname.replace(/^\[|\]$/g, '') ?? '';
    if (host === '' || isIP(host) !== 0) return [target];
    const addresses = await this.#directories.addresses(host);
    return addresses.length < 2 ? [target] : addresses.map((address) => ({ ...target, address }));
  }

  async #discovered(source: JoinSource & { readonly kind: 'discover' }): Promise<readonly JoinTarget[]> {
    const places = await this.#places(source.discover);
    return places.map(({ host, port, name }) => {
      const authority = `${host.includes(':') ? `[${host}]` : host}:${String(port ?? source.port)}`;
      const tlsServerName = source.target.tlsServerName ?? name;
      return {
        ...source.target,
        leaderApiAddress: `${source.scheme}://${authority}`,
        ...(tlsServerName === undefined ? {} : { tlsServerName }),
      };
    });
  }

  async #places(discover: Discovery): Promise<readonly Place[]> {
    switch (discover.provider) {
      case 'dns': {
        const { name } = discover;
        if (discover.srv) return this.#directories.services(name);
        return (await this.#directories.addresses(name)).map((host) => ({ host, name }));
      }
      case 'k8s':
        return this.#directories.pods(discover);
      case 'aws':
        return this.#directories.instances(discover);
      default:
        return assertNever(discover, 'provider');
    }
  }
}

/** The machine's resolver. */
export const systemDns: Pick<Directories, 'addresses' | 'services'> = {
  addresses: async (name) => [...new Set((await lookup(name, { all: true })).map(({ address }) => address))],
  services: async (name) => (await resolveSrv(name)).map((record) => ({ host: record.name, port: record.port })),
};
