export * from './aes-gcm-barrier.ts';
export * from './barrier.ts';
export * from './envelope.ts';
export * from './pgp.ts';
export * from './seal-config.ts';
export * from './shamir-seal-manager.ts';
export * from './shamir/shamir.ts';
export * from './share-collector.ts';
