export { runDiagnose } from './diagnose/diagnose.ts';
export { runServer } from './main.ts';
