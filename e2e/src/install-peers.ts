import { BENCH_PEERS, installPeers } from './peers.ts'

installPeers((line) => process.stdout.write(`${line}\n`), BENCH_PEERS)
