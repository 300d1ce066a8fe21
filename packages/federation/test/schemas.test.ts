import { z } from 'zod'
import { localDomainSchema } from '../src/local-domain.ts'
import { federationFileSchema } from '../src/model.ts'
import { xmppPartnerSchema } from '../src/partner.ts'
import { problemsOf } from '../src/problem.ts'
import { settingsSchema } from '../src/settings.ts'

test('New-CsXmppAllowedPartner: the defaults of a partner', () =>
  expect(xmppPartnerSchema.parse({ domain: 'Montague.example.' })).toEqual({
    domain: 'montague.example',
    additionalDomains: [],
    description: '',
    partnerType: 'publicUnverified',
    tlsNegotiation: 'required',
    saslNegotiation: 'required',
    dialback: true,
    certificatePins: [],
    keepAlive: true,
    keepAliveBy: 'whitespace',
    connectionLimit: null,
    proxy: null,
    enabled: true,
    features: { im: true, presence: true, typing: true, receipts: true },
    limits: { maxStanzaBytes: 262_144, stanzasPerSecond: null, bytesPerSecond: null },
  }))

test('Set-CsXmppGatewayConfiguration: the defaults of the settings', () =>
  expect(settingsSchema.parse({})).toEqual({
    federation: false,
    xmpp: true,
    discovery: false,
    connectionLimit: 1000,
    partnerConnectionLimit: 20,
    establishmentTimeoutS: 60,
    inactivityTimeoutS: 600,
    keepAliveIntervalS: 300,
    subscriptionRefreshS: 28_800,
    dialbackPassphrase: null,
    logBodies: false,
    journalRetentionDays: 30,
    contactAddresses: { abuse: [], admin: [], feedback: [], sales: [], security: [], support: [] },
    softwareVersion: false,
  }))

test('an empty federation.yaml is a model that allows nothing', () =>
  expect(federationFileSchema.parse({})).toEqual({
    settings: settingsSchema.parse({}),
    localDomains: [],
    partners: [],
  }))

test.each([
  ['sip:127.0.0.1:5060;transport=udp'],
  ['sip:[2001:db8::1]:5060;transport=tcp'],
  ['sip:front.capulet.example'],
  ['sip:front.capulet.example:5061;lr'],
  ['sip:front.capulet.example:5061;transport=tls'],
  ['sips:capulet.example'],
])('route %s', (route) => expect(localDomainSchema.safeParse({ domain: 'capulet.example', route }).success).toBe(true))

test.each([
  ['127.0.0.1:5060'],
  ['sip:127.0.0.1:0'],
  ['sip:127.0.0.1:65536'],
  ['sip:user@capulet.example'],
  ['sip:a.example;transport=sctp'],
  ['sip:'],
  ['http://a.example'],
])('no route: %s', (route) =>
  expect(localDomainSchema.safeParse({ domain: 'capulet.example', route }).success).toBe(false),
)

test.each([
  ['discovery', { settings: { discovery: true } }, 'not built yet'],
  ['a contact that is no address', { settings: { contactAddresses: { abuse: ['abuse@a.example'] } } }, 'not a mailto:'],
  [
    'a language that is none',
    {
      localDomains: [{ domain: 'a.example', route: 'sip:127.0.0.1', messages: { languages: ['de', 'en_GB'] } }],
    },
    'localDomains[0].messages.languages[1]: not a language tag such as de or pt-BR',
  ],
  ['bodies in the log', { settings: { logBodies: true } }, 'not built yet'],
])('%s is refused in plain words', (_what, file, words) => expect(problems(file).join()).toContain(words))

/** What is wrong with a federation.yaml, as it is shown. */
function problems(file: unknown): readonly string[] {
  const read = federationFileSchema.safeParse(file)
  return read.success
    ? []
    : problemsOf(federationFileSchema, read.error).map(({ path, problem }) => `${path}: ${problem}`)
}

test.each<[string, unknown, string[]]>([
  ['a missing domain', { partners: [{}] }, ['partners[0].domain: missing']],
  ['a bad domain', { partners: [{ domain: '*.example' }] }, ['partners[0].domain: not a domain name']],
  ['an unknown key', { partners: [{ domain: 'a.example', tls: 'required' }] }, ['partners[0].tls: unknown key']],
  [
    'RFC 7469 §2.4: pins that are none: in hexadecimal, of another length, with bits behind the end',
    {
      partners: [
        {
          domain: 'a.example',
          certificatePins: ['ab'.repeat(32), 'AAAA', `${'A'.repeat(42)}B=`, `${'A'.repeat(43)}=`],
        },
      ],
    },
    [0, 1, 2].map(
      (at) => `partners[0].certificatePins[${at}]: not the Base64 of a SHA-256: 44 characters that end with =`,
    ),
  ],
  ['an unknown key at the top', { partner: [] }, ['partner: unknown key']],
  [
    'a value that is none of the three',
    { partners: [{ domain: 'a.example', tlsNegotiation: 'must' }] },
    ['partners[0].tlsNegotiation: expected one of "required"|"optional"|"notSupported"'],
  ],
  [
    'all problems at once',
    {
      settings: { federation: 'yes', connectionLimit: 0 },
      partners: [{ domain: 'a.example', proxy: { host: 'b', port: 70_000 } }],
    },
    [
      'settings.federation: expected boolean, received string',
      'settings.connectionLimit: Too small: expected number to be >=1',
      'partners[0].proxy.port: Too big: expected number to be <=65535',
    ],
  ],
  [
    'a short passphrase',
    { settings: { dialbackPassphrase: 'secret' } },
    ['settings.dialbackPassphrase: Too small: expected string to have >=16 characters'],
  ],
  ['something else altogether', [], [': expected object, received array']],
])('%s', (_what, file, expected) => expect(problems(file)).toEqual(expected))

test.each([
  [
    'the description of the field',
    { partners: [{ domain: 'a.example', keepAlive: 1 }] },
    xmppPartnerSchema.shape.keepAlive.description,
  ],
  [
    'the keys there are',
    { partners: [{ domain: 'a.example', features: { mi: true } }] },
    'known keys: im, presence, typing, receipts',
  ],
  [
    'the list, for one of its elements',
    { partners: [{ domain: 'a.example', additionalDomains: ['?'] }] },
    xmppPartnerSchema.shape.additionalDomains.description,
  ],
])('a hint is %s', (_what, file, hint) => {
  const read = federationFileSchema.safeParse(file)
  expect(read.success ? [] : problemsOf(federationFileSchema, read.error).map((each) => each.hint)).toEqual([hint])
})

test('every field of the model is described, since the reference is made from it', () => {
  const undescribed: string[] = []
  const walk = (schema: z.core.JSONSchema._JSONSchema, path: string): void => {
    if (typeof schema === 'boolean') return
    for (const [key, field] of Object.entries(schema.properties ?? {})) {
      if (typeof field === 'object' && field.description === undefined) undescribed.push(`${path}.${key}`)
      walk(field, `${path}.${key}`)
    }
    for (const inner of [
      ...(schema.anyOf ?? []),
      ...(schema.items === undefined || Array.isArray(schema.items) ? [] : [schema.items]),
    ])
      walk(inner, path)
  }
  walk(z.toJSONSchema(federationFileSchema, { io: 'input' }), '')
  expect(undescribed).toEqual([])
})
