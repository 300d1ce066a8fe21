import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  FederationIndex,
  federationModelSchema,
  EMPTY_MODEL,
  localDomainSchema,
  SIP_PROFILES,
  SIP_PROFILE_NAMES,
} from '@stox/federation'
import type { SipRules } from '@stox/federation'

const served = (more: object): unknown => {
  const local = localDomainSchema.parse({ domain: 'a.example', route: 'sips:a.example', ...more })
  return new FederationIndex({ ...EMPTY_MODEL, localDomains: [local] }).localDomain('a.example')
}

describe('a domain goes by its profile, and by its own word first', () => {
  test.each([
    ['nothing said', {}, SIP_PROFILES.generic],
    ['kamailio', { profile: 'kamailio' }, { acceptedStatus: 200, congestionSafe: false, gruu: 'raw' }],
    ['lync', { profile: 'lync' }, { acceptedStatus: 200, congestionSafe: true, gruu: 'off', contactInMessage: true }],
    ['lync, but', { profile: 'lync', gruu: 'raw', acceptedStatus: 202 }, { gruu: 'raw', acceptedStatus: 202 }],
    ['lync: sessions', { profile: 'lync' }, { messageMode: 'session' }],
    ['lync without', { profile: 'lync', messages: { mode: 'pager' } }, { messageMode: 'pager' }],
    ['sessions elsewhere', { messages: { mode: 'session' } }, { messageMode: 'session', gruu: 'raw' }],
    ['false is said', { profile: 'lync', assertedIdentity: false }, { assertedIdentity: false, congestionSafe: true }],
  ])('%s', (_case, more, rules) => expect(served(more)).toMatchObject(rules))
})

test('a model of before the profiles keeps what it said', () => {
  const old = {
    domain: 'a.example',
    route: 'sip:a.example',
    congestionSafe: true,
    maxMessageBytes: 2000,
    acceptedStatus: 202,
  }
  const model = federationModelSchema.parse({ ...EMPTY_MODEL, localDomains: [old] })
  expect(new FederationIndex(model).localDomain('a.example')).toMatchObject({ ...old, gruu: 'raw', backupRoutes: [] })
})

test('docs/sip.md has this table', () => {
  const text = readFileSync(join(__dirname, '../../../docs/sip.md'), 'utf8')
  for (const rule of Object.keys(SIP_PROFILES.generic) as (keyof SipRules)[]) {
    const values = SIP_PROFILE_NAMES.map((name) => String(SIP_PROFILES[name][rule]))
    expect(text).toContain(`| \`${rule}\` | ${values.join(' | ')} |`)
  }
})
