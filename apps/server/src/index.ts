export { runDiagnose } from './diagnose/diagnose.ts';
export { runMigrate } from './migrate/migrate.ts';
export { runServer } from './main.ts';
