import { SecretsEngine } from '@coffer/sdk-nest';
import { badRequest } from '@coffer/sdk';
import type { EngineType, MountContext } from '@coffer/sdk';
import { kv1Type } from './v1/kv1.ts';
import type { Kv1 } from './v1/kv1.ts';
import { kv2Type } from './v2/kv2.ts';

/** The key/value store: version 1 unless a mount's options say `version: 2`. */
@SecretsEngine({
  names: ['kv', 'kv-v1', 'kv-v2', 'generic'],
  impliedOptions: { 'kv-v1': { version: '1' }, 'kv-v2': { version: '2' } },
})
export class KvEngine implements EngineType<Kv1> {
  readonly help = {
    synopsis: 'Key/value store.',
    description: 'Keeps secrets that are written to it. Version 1 keeps the last write, version 2 keeps versions.',
  };
  readonly paths = kv1Type.paths;

  forOptions(options: Readonly<Record<string, string>>): EngineType {
    // Each type is whole in itself: the instance that its `create` makes is the one that its handlers get.
    return (options.version === '2' ? kv2Type : kv1Type) as EngineType;
  }

  /** @throws RequestError `bad-request` for a version of the engine that there is none of */
  checkOptions({ version = '' }: Readonly<Record<string, string>>): void {
    if (!['', '1', '2'].includes(version))
      throw badRequest(`the option version of kv is "${version}": expected "1" or "2"`);
  }

  create(mount: MountContext): Kv1 {
    return { mount };
  }
}
