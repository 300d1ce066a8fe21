import { installPeers } from './peers.ts'

installPeers((line) => process.stdout.write(`${line}\n`))
