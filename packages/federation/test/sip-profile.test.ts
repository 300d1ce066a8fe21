import { FederationIndex, federationModelSchema, EMPTY_MODEL, localDomainSchema, SIP_PROFILES } from '@stox/federation'

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
