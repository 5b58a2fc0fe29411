import type { AuditDevice as Device, AuditDeviceType } from '@coffer/sdk';
import { AuditDevice } from '@coffer/sdk-nest';
import { FileDevice, parseFileOptions } from './file-device.ts';

/** Writes the audit log to a file, to standard output or nowhere. */
@AuditDevice({ name: 'file' })
export class FileAudit implements AuditDeviceType {
  readonly help = {
    synopsis: 'Writes the audit log to a file.',
    description: 'Options: file_path (an absolute path, "stdout" or "discard") and mode (permissions, in octal).',
  };

  open(options: Readonly<Record<string, string>>, context: Parameters<AuditDeviceType['open']>[1]): Promise<Device> {
    return Promise.resolve().then(() => FileDevice.open(parseFileOptions(options), context.log));
  }
}
