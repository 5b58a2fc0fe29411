export * from './file-device.ts';
export * from './file.audit.ts';
export * from './file.module.ts';
