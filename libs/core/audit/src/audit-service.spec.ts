import { Secret, silentLog, systemRandom } from '@coffer/kernel';
import { ROOT_NAMESPACE, badRequest } from '@coffer/sdk';
import type { AuditDevice, AuditDeviceType } from '@coffer/sdk';
import { encodeJson } from '@coffer/core-api';
import type { AuditEvent, MountEntry, TokenEntry } from '@coffer/core-api';
import { InmemBackend, OptimisticTransactor } from '@coffer/storage';
import type { ParsingBackend } from '@coffer/storage';
import { ManualClock } from '@coffer/testing';
import { Hasher } from './hasher.ts';
import { AuditService } from './audit-service.ts';

class Store extends InmemBackend implements ParsingBackend {
  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): T | undefined {
    const bytes = this.get(key);
    return bytes === undefined ? undefined : parse(bytes);
  }
}

/** Takes lines until it is told to fail or to hang. */
class FakeDevice implements AuditDevice {
  readonly lines: string[] = [];
  mode: 'works' | 'fails' | 'hangs' = 'works';
  reopened = 0;
  closed = false;
  readonly #held: (() => void)[] = [];

  write(line: string): Promise<void> {
    if (this.mode === 'fails') return Promise.reject(new Error('the disk is full'));
    if (this.mode === 'hangs') return new Promise((resolve) => this.#held.push(resolve));
    this.lines.push(line);
    return Promise.resolve();
  }

  release(): void {
    for (const resolve of this.#held.splice(0)) resolve();
  }

  reopen(): Promise<void> {
    if (this.mode === 'fails') return Promise.reject(new Error('the disk is full'));
    this.reopened++;
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

/** Some turns of the loop: what follows applied changes is done. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function world() {
  const store = new Store();
  const clock = new ManualClock();
  const transactor = new OptimisticTransactor(store, { state: () => ({ role: 'active', epoch: 1, sinceMs: 0 }) });
  const node = () => {
    const devices = new Map<string, FakeDevice>();
    const broken = new Set<string>();
    const type: AuditDeviceType = {
      help: { synopsis: 'fake', description: 'fake' },
      open: ({ name = '' }) => {
        if (broken.has(name)) return Promise.reject(badRequest('cannot be opened'));
        const device = new FakeDevice();
        devices.set(name, device);
        return Promise.resolve(device);
      },
    };
    const audit = new AuditService({
      backend: store,
      transactor,
      plugins: { auditDevice: (name) => (name === 'fake' ? type : undefined) },
      clock,
      random: systemRandom,
      log: silentLog,
    });
    const device = (name: string): FakeDevice => {
      const found = devices.get(name);
      if (!found) throw new Error(`no device ${name}`);
      return found;
    };
    return { audit, device, devices, broken };
  };
  return { store, clock, transactor, node };
}

async function started() {
  const all = world();
  const node = all.node();
  await node.audit.start();
  const enable = (name: string, options: Record<string, string> = {}) =>
    node.audit.enable(name, 'fake', '', false, { name, ...options });
  return { ...all, ...node, enable };
}

const CANARY = 'canary-7f3a';

const token = {
  saltedId: 'salted',
  accessor: `${CANARY}-accessor`,
  policies: ['default'],
  displayName: 'ann',
  metadata: { username: 'ann' },
  type: 'service',
  createdMs: 0,
  ttlSeconds: 60,
  entityId: 'e-1',
  numUses: 0,
} as unknown as TokenEntry;

const mount = { table: 'secret', path: 'kv/', type: 'kv', accessor: 'kv_1' } as unknown as MountEntry;

function event(more: Partial<AuditEvent> = {}): AuditEvent {
  return {
    request: {
      id: 'req-1',
      operation: 'update',
      namespace: ROOT_NAMESPACE,
      path: 'kv/app',
      data: {
        plain: `${CANARY}-text`,
        nested: { list: [`${CANARY}-item`, { deep: `${CANARY}-deep` }], bytes: Buffer.from(`${CANARY}-bytes`) },
        secret: new Secret(`${CANARY}-secret`),
        shown: 'shown-request',
        number: 5,
      },
      token: new Secret(`${CANARY}-token`),
      headers: {
        authorization: `Bearer ${CANARY}`,
        cookie: `${CANARY}`,
        'x-audited': `${CANARY}-header`,
        'user-agent': CANARY,
      },
      connection: { remoteAddress: '10.0.0.1', remotePort: 1234 },
      deadlineMs: 0,
      signal: new AbortController().signal,
      noForwarding: false,
      allowStale: false,
    },
    operation: 'update',
    mount,
    token,
    publicRequestKeys: ['shown'],
    publicResponseKeys: [],
    atMs: 1_700_000_000_000,
    ...more,
  };
}

const answers: readonly Partial<AuditEvent>[] = [
  { response: { data: { password: `${CANARY}-password`, keys: [`${CANARY}-k`], map: { a: { b: `${CANARY}-b` } } } } },
  { error: `failed on ${CANARY}` },
  {
    response: {
      wrapInfo: {
        token: `${CANARY}-wrap`,
        accessor: `${CANARY}-wrap-accessor`,
        wrappedAccessor: `${CANARY}-wrapped`,
        ttlSeconds: 60,
        creationTime: '2026-01-01T00:00:00Z',
        creationPath: 'sys/wrapping/wrap',
      },
    },
  },
  { response: { raw: { status: 200, contentType: 'text/plain', body: `${CANARY}-raw` } } },
  { response: { raw: { status: 200, contentType: 'text/plain', body: Buffer.from(`${CANARY}-raw`) } } },
  {
    auth: {
      clientToken: `${CANARY}-new-token`,
      accessor: `${CANARY}-new-accessor`,
      policies: ['p'],
      tokenPolicies: ['p'],
      metadata: { key: `${CANARY}-meta` },
      entityId: '',
      tokenType: 'service',
      ttlSeconds: 60,
    } as unknown as NonNullable<AuditEvent['auth']>,
  },
];

describe('AuditService', () => {
  it('shows no secret in any line, and where it must, its hash', async () => {
    const { audit, device, enable } = await started();
    await enable('one');
    await audit.setHeader('X-Audited', true);
    await audit.request(event());
    await audit.request(event({ error: `no ${CANARY}` }));
    for (const answer of answers) await audit.response(event(answer));
    const { lines } = device('one');
    expect(lines).toHaveLength(2 + answers.length);
    for (const line of lines) {
      expect(line).not.toContain(CANARY);
      expect(line).not.toContain(Buffer.from(CANARY).toString('base64').slice(0, 12));
      expect(line).not.toContain('\n');
      const { request } = JSON.parse(line) as {
        request: { data: Record<string, unknown>; client_token: string; headers: unknown };
      };
      expect(request.data).toMatchObject({
        plain: audit.hash('one', `${CANARY}-text`),
        shown: 'shown-request',
        number: 5,
      });
      expect(request.data.secret).toBe(audit.hash('one', `${CANARY}-secret`));
      expect(request.client_token).toBe(audit.hash('one', `${CANARY}-token`));
      expect(request.headers).toEqual({ 'x-audited': [audit.hash('one', `${CANARY}-header`)] });
    }
  });

  it('hashes under a salt of each device', async () => {
    const { audit, enable } = await started();
    await enable('one');
    await enable('two');
    expect(audit.hash('one', 'x')).toMatch(/^hmac-sha256:[0-9a-f]{64}$/);
    expect(audit.hash('one', 'x')).not.toBe(audit.hash('two/', 'x'));
    expect(() => audit.hash('three', 'x')).toThrow('unknown audit backend "three/"');
  });

  it('shows what the operator asked for: log_raw, hmac_accessor, prefix, list lengths', async () => {
    const { audit, device, enable } = await started();
    await enable('raw', { log_raw: 'true', prefix: '@cee: ' });
    await enable('accessor', { hmac_accessor: 'false', elide_list_responses: 'true' });
    const { request } = event();
    const list = {
      request: { ...request, operation: 'list' as const },
      response: { data: { keys: ['a', 'b'], key_info: { a: 1 } } },
    };
    await audit.response(event(list));
    expect(device('raw').lines[0]).toMatch(/^@cee: \{/);
    expect(device('raw').lines[0]).toContain(`${CANARY}-text`);
    expect(device('accessor').lines[0]).toContain(`"accessor":"${CANARY}-accessor"`);
    expect(device('accessor').lines[0]).toContain('"data":{"keys":2,"key_info":1}');
  });

  it.each(['__proto__', 'constructor', 'toString'])('writes lines though "%s" is to be audited', async (name) => {
    const { audit, device, enable } = await started();
    await enable('one');
    await audit.setHeader(name, false);
    await audit.request(event());
    expect(JSON.parse(device('one').lines[0] ?? '')).not.toHaveProperty('request.headers');
  });

  it('goes on while one device works, and refuses when none does', async () => {
    const { audit, device, enable } = await started();
    await enable('one');
    await enable('two');
    device('one').mode = 'fails';
    await audit.request(event());
    expect(device('two').lines).toHaveLength(1);
    device('two').mode = 'fails';
    await expect(audit.request(event())).rejects.toThrow('no audit device took the line');
    device('one').mode = 'works';
    await audit.request(event());
    expect(device('one').lines).toHaveLength(1);
  });

  it('waits for no device that hangs while another works, and lets only so many lines wait', async () => {
    const { audit, device, enable } = await started();
    await enable('slow');
    await enable('fast');
    device('slow').mode = 'hangs';
    for (let line = 0; line < 3; line++) await audit.request(event());
    expect(device('fast').lines).toHaveLength(3);
    await audit.disable('fast');
    const waiting = Array.from({ length: 9997 }, () => Promise.resolve(audit.request(event())));
    await expect(audit.request(event())).rejects.toThrow('no audit device took the line');
    device('slow').release();
    await Promise.all(waiting);
    device('slow').mode = 'works';
    await audit.request(event());
    expect(device('slow').lines).toHaveLength(1);
  });

  it('asks nothing where no device is enabled', async () => {
    const { audit } = await started();
    expect(audit.enabled).toBe(false);
    expect(audit.request(event())).toBeUndefined();
  });

  it.each([
    [{ prefix: '#!/bin/sh\n' }, 'prefix'],
    [{ prefix: '<?php system(' }, 'prefix'],
    // Lines of cron.
    [{ prefix: '@reboot root sh ' }, 'prefix'],
    [{ prefix: '@reboot ' }, 'prefix'],
    [{ prefix: '0 0 1 1 0 root sh ' }, 'prefix'],
    [{ prefix: 'x'.repeat(65) }, 'prefix'],
    [{ format: 'jsonx' }, 'only json'],
    [{ log_raw: 'yes' }, 'log_raw'],
    [{ hmac_accessor: '' }, 'hmac_accessor'],
  ])('refuses the options %j', async (options, text) => {
    const { audit, enable } = await started();
    await expect(enable('one', options)).rejects.toThrow(text);
    expect(audit.list()).toEqual([]);
  });

  it('refuses unknown types and paths in use', async () => {
    const { audit, enable } = await started();
    await expect(audit.enable('x', 'syslog', '', false, {})).rejects.toThrow('unknown backend type: "syslog"');
    await enable('one');
    for (const path of ['one', '/one/', 'one/two']) await expect(enable(path)).rejects.toThrow('path already in use');
  });

  it('forgets a device whose enabling could not be stored', async () => {
    const { audit, device, enable, store } = await started();
    store.write = () => Promise.reject(new Error('no leader'));
    await expect(enable('one')).rejects.toThrow('no leader');
    expect(audit.list()).toEqual([]);
    expect(device('one').closed).toBe(true);
  });

  it('follows on other nodes: new devices, ended ones, ones made anew, headers', async () => {
    const { audit, enable, node } = await started();
    const other = node();
    await other.audit.start();
    await enable('one');
    await audit.setHeader('x-audited', false);
    await settled();
    await other.audit.request(event());
    expect(other.device('one').lines[0]).toContain(`"headers":{"x-audited":["${CANARY}-header"]}`);
    expect(other.audit.hash('one', 'x')).toBe(audit.hash('one', 'x'));
    const before = other.device('one');
    await audit.disable('one');
    await enable('one');
    await settled();
    expect(before.closed).toBe(true);
    expect(other.audit.hash('one', 'x')).toBe(audit.hash('one', 'x'));
    await audit.disable('one');
    await settled();
    expect(other.audit.enabled).toBe(false);
  });

  it('takes a device that was made anew in one batch for another', async () => {
    const { audit, device, enable, transactor } = await started();
    await enable('one');
    const before = device('one');
    const [record] = audit.list();
    await transactor.run((tx) => tx.put('core/audit/one/', encodeJson({ ...record, salt: 'bmV3' })));
    await settled();
    expect(before.closed).toBe(true);
    expect(audit.hash('one', 'x')).toBe(new Hasher(Buffer.from('new'), false).hash('x'));
  });

  it('refuses requests on a node where no stored device can be opened', async () => {
    const { enable, node } = await started();
    await enable('one');
    const other = node();
    other.broken.add('one');
    await other.audit.start();
    expect(other.audit.enabled).toBe(true);
    await expect(other.audit.request(event())).rejects.toThrow('no audit device took the line');
  });

  it('tries again to open what could not be opened, while the others work and after a SIGHUP', async () => {
    const { enable, node, clock } = await started();
    await enable('a');
    await enable('b');
    const restarted = node();
    restarted.broken.add('a').add('b');
    await restarted.audit.start();
    await expect(restarted.audit.request(event())).rejects.toThrow('no audit device took the line');
    restarted.broken.delete('b');
    await clock.advance(5_000);
    await restarted.audit.request(event());
    expect(restarted.device('b').lines).toHaveLength(1);
    expect(restarted.devices.has('a')).toBe(false);
    expect(restarted.audit.list().map(({ path }) => path)).toEqual(['a/', 'b/']);
    // The waits grow: nothing happens before the next one is over.
    restarted.broken.delete('a');
    await clock.advance(9_999);
    expect(restarted.devices.has('a')).toBe(false);
    await clock.advance(1);
    await restarted.audit.request(event());
    expect(restarted.device('a').lines).toHaveLength(1);
    const other = node();
    other.broken.add('a');
    await other.audit.start();
    other.broken.clear();
    await other.audit.reopen();
    expect(other.device('a').lines).toEqual([]);
    await other.audit.stop();
    await restarted.audit.stop();
    await clock.advance(600_000);
    expect(restarted.device('a').closed).toBe(true);
  });

  it('tries no more to open a device that was disabled', async () => {
    const { enable, node, clock, audit } = await started();
    await enable('a');
    const restarted = node();
    restarted.broken.add('a');
    await restarted.audit.start();
    await audit.disable('a');
    await settled();
    expect(restarted.audit.enabled).toBe(false);
    restarted.broken.clear();
    await clock.advance(600_000);
    expect(restarted.devices.has('a')).toBe(false);
  });

  it('opens all files anew, even after one failed', async () => {
    const { audit, device, enable } = await started();
    await enable('one');
    await enable('two');
    device('one').mode = 'fails';
    await audit.reopen();
    expect(device('two').reopened).toBe(1);
  });
});
