import { defineIntent, definePath, defineSecretType, field } from '@coffer/sdk';
import type { AuditDeviceType, EngineType, PluginInfo } from '@coffer/sdk';
import { PluginRegistry } from './plugin-registry.ts';

const engine = (more: Partial<EngineType> = {}): EngineType => ({
  help: { synopsis: 'x', description: 'x' },
  paths: [],
  create: () => undefined,
  ...more,
});

const device: AuditDeviceType = {
  help: { synopsis: 'x', description: 'x' },
  open: () => Promise.reject(new Error('not here')),
};

const info = (kind: PluginInfo['kind'], ...names: string[]): PluginInfo => ({ kind, names });

const registry = (): PluginRegistry => new PluginRegistry({} as never, {} as never);

describe('PluginRegistry', () => {
  it('finds plugins by kind and any of their names', () => {
    const plugins = registry();
    const kv = engine();
    const cert = engine();
    plugins.register(info('secret', 'kv', 'kv-v2'), kv);
    plugins.register(info('auth', 'kv'), cert);
    plugins.register(info('audit', 'kv'), device);
    expect([plugins.engine('secret', 'kv')?.type, plugins.engine('secret', 'kv-v2')?.type]).toEqual([kv, kv]);
    expect(plugins.engine('auth', 'kv')?.type).toBe(cert);
    expect(plugins.auditDevice('kv')).toBe(device);
    for (const name of ['KV', 'constructor', '__proto__', ''])
      expect([name, plugins.engine('secret', name), plugins.auditDevice(name)]).toEqual([name, undefined, undefined]);
    expect(plugins.list('secret').map(({ names }) => names)).toEqual([['kv', 'kv-v2']]);
  });

  it('refuses a name that is taken, of the same kind alone', () => {
    for (const first of ['secret', 'auth', 'audit'] as const) {
      for (const second of ['secret', 'auth', 'audit'] as const) {
        const plugins = registry();
        const of = (kind: PluginInfo['kind']) => (kind === 'audit' ? device : engine());
        plugins.register(info(first, 'a'), of(first));
        const again = (): void => plugins.register(info(second, 'b', 'a'), of(second));
        if (first === second) expect(again).toThrow('is free: a');
        else expect(again).not.toThrow();
      }
    }
  });

  it('refuses plugins without name or help, and two paths of one shape', () => {
    expect(() => registry().register(info('secret'), engine())).toThrow('has a name');
    const silent = engine({ help: { synopsis: '', description: 'x' } });
    expect(() => registry().register(info('secret', 'a'), silent)).toThrow('has a help text');
    const path = (name: string) =>
      definePath(`roles/:${name}`, {
        fields: { [name]: field.name('Name.') },
        help: { synopsis: 'x' },
        read: { summary: 'x', handler: () => undefined },
      });
    const doubled = engine({ paths: [path('one'), path('two')] });
    expect(() => registry().register(info('secret', 'a'), doubled)).toThrow();
    const secret = defineSecretType('user', { revoke: () => undefined });
    const intent = defineIntent('user', { undo: () => undefined });
    for (const more of [{ secretTypes: [secret, secret] }, { intentTypes: [intent, intent] }])
      expect(() => registry().register(info('secret', 'a'), engine(more))).toThrow('names each secret type');
    registry().register(info('secret', 'a'), engine({ secretTypes: [secret], intentTypes: [intent] }));
  });
});
