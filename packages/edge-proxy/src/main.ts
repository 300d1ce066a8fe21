#!/usr/bin/env node
import { runProcess } from '@stox/service'
import { loadConfig } from './config.ts'
import { startEdge } from './edge.ts'

await runProcess({ name: 'edge', load: loadConfig, start: (config) => startEdge(config) })
