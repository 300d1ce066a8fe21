#!/usr/bin/env node
import { runProcess } from '@stox/service'
import { createLog } from '@stox/telemetry'
import { loadConfig } from './config.ts'
import { startGateway } from './gateway.ts'

await runProcess({
  name: 'gateway',
  load: loadConfig,
  start: (config) =>
    startGateway(config, {
      log: createLog({ level: config.log.level, name: config.node }),
      firstToken: (token) => process.stdout.write(`administrator token, shown this once: ${token}\n`),
    }),
})
