import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '@stox/kernel'
import { openMemoryStore } from '@stox/store'
import { TestCa } from '@stox/testkit'
import { stringify } from 'yaml'
import { loadConfig } from '../src/config.ts'
import { seedModel } from '../src/seed-model.ts'
import { trustedPeers } from '../src/trusted-peers.ts'
import { countingIds, newStage } from './stage.ts'

describe('trusted peers', () => {
  const trusted = trustedPeers(['127.0.0.1', '10.1.0.0/16', '2001:db8::/32'])
  test.each([
    ['127.0.0.1', true],
    ['::ffff:127.0.0.1', true],
    ['10.1.200.3', true],
    ['10.2.0.1', false],
    ['2001:db8::7', true],
    ['2001:db9::7', false],
    ['192.0.2.1', false],
  ])('%s', (address, expected) => expect(trusted(address)).toBe(expected))
})
