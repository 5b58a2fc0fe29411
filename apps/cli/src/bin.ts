import { main } from './main.ts';

// How the program was called is told by the script that starts it.
process.exitCode = await main(process.argv.slice(2), process.env.COFFER_CALLED_AS ?? 'coffer');
