export { runServer } from './main.ts';
