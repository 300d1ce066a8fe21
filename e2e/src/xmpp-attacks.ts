import { SIP, XMPP } from './stage.ts'

export const HOSTILE = 'hostile.example'
export const ME = `mercutio@${HOSTILE}`
export const ROMEO = 'romeo@sip.example'
/** The record of the hostile partner says so. */
export const STANZA_LIMIT = 20_000

export interface Attack {
  readonly what: string
  /** `connected`: TCP only; `secured`: after STARTTLS; `proven`: after dialback. */
  readonly at: 'connected' | 'secured' | 'proven'
  readonly says: string | Buffer
  /** The stream error it gets. */
  readonly hears: string
  /** The label of the metric. */
  readonly kind: string
}

export const message = (attrs: string, inside = '<body>evil</body>'): string => `<message ${attrs}>${inside}</message>`
export const good = `from='${ME}' to='${ROMEO}'`
const namespaces = `xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams'`

const nested = (depth: number): string => '<x>'.repeat(depth) + '</x>'.repeat(depth)
const attributes = (count: number): string => Array.from({ length: count }, (_none, index) => `a${index}=''`).join(' ')
/** UTF-8 that says `/` in two bytes, half of a pair of UTF-16, and the start of a character without its end. */
const NO_UTF_8: readonly (readonly [string, readonly number[]])[] = [
  ['a longer form than needed', [0xc0, 0xaf]],
  ['a surrogate', [0xed, 0xa0, 0x80]],
  ['half a character', [0xe2, 0x82]],
]

export const ATTACKS: readonly Attack[] = [
  {
    what: 'an element 10,000 deep',
    at: 'proven',
    says: message(good, nested(10_000)),
    hears: 'policy-violation',
    kind: 'stanza-too-big',
  },
  {
    what: 'an element 65 deep, small as it is',
    at: 'proven',
    says: message(good, nested(65)),
    hears: 'policy-violation',
    kind: 'stanza-too-big',
  },
  {
    what: 'an element with 100,000 attributes',
    at: 'proven',
    says: message(`${good} ${attributes(100_000)}`),
    hears: 'policy-violation',
    kind: 'stanza-too-big',
  },
  {
    what: 'an element with 65 attributes, small as it is',
    at: 'proven',
    says: message(`${good} ${attributes(65)}`),
    hears: 'policy-violation',
    kind: 'stanza-too-big',
  },
  {
    what: 'a header with 100,000 attributes',
    at: 'connected',
    says: `<stream:stream ${attributes(100_000)}>`,
    hears: 'policy-violation',
    kind: 'stanza-too-big',
  },
  ...NO_UTF_8.map(([what, bytes]): Attack => ({
    what: `invalid UTF-8, ${what}`,
    at: 'proven',
    says: Buffer.concat([
      Buffer.from(`<message ${good}><body>evil `),
      Buffer.from(bytes),
      Buffer.from('</body></message>'),
    ]),
    hears: 'not-well-formed',
    kind: 'malformed-xml',
  })),
  {
    what: 'UTF-16',
    at: 'connected',
    says: Buffer.from(`\ufeff<stream:stream to='${SIP}'>`, 'utf16le'),
    hears: 'unsupported-encoding',
    kind: 'malformed-xml',
  },
  {
    what: 'markup that does not nest',
    at: 'proven',
    says: message(good, '<body>evil</message>'),
    hears: 'not-well-formed',
    kind: 'malformed-xml',
  },
  {
    what: 'bytes that are no XML',
    at: 'connected',
    says: 'GET / HTTP/1.1\r\nHost: sip.example\r\n\r\n',
    hears: 'not-well-formed',
    kind: 'malformed-xml',
  },
  {
    what: 'a prefix that nobody declared',
    at: 'proven',
    says: message(good, '<x:body>evil</x:body>'),
    hears: 'not-well-formed',
    kind: 'malformed-xml',
  },
  {
    what: 'a DTD before the stream',
    at: 'connected',
    says: `<?xml version='1.0'?><!DOCTYPE lol [<!ENTITY lol "lol">]>`,
    hears: 'restricted-xml',
    kind: 'restricted-xml',
  },
  {
    what: 'an entity that is not predefined',
    at: 'proven',
    says: message(good, '<body>&lol;</body>'),
    hears: 'restricted-xml',
    kind: 'restricted-xml',
  },
  {
    what: 'a comment',
    at: 'proven',
    says: message(good, '<!-- evil --><body>evil</body>'),
    hears: 'restricted-xml',
    kind: 'restricted-xml',
  },
  {
    what: 'a processing instruction',
    at: 'proven',
    says: '<?evil now?>',
    hears: 'restricted-xml',
    kind: 'restricted-xml',
  },
  {
    what: 'a sender of another domain',
    at: 'proven',
    says: message(`from='juliet@${XMPP}' to='${ROMEO}'`),
    hears: 'invalid-from',
    kind: 'invalid-from',
  },
  {
    what: 'a sender of our own domain',
    at: 'proven',
    says: message(`from='tybalt@${SIP}' to='${ROMEO}'`),
    hears: 'invalid-from',
    kind: 'own-domain',
  },
  {
    what: 'a relay to a foreign domain',
    at: 'proven',
    says: message(`from='${ME}' to='victim@elsewhere.example'`),
    hears: 'host-unknown',
    kind: 'host-unknown',
  },
  {
    what: 'no recipient',
    at: 'proven',
    says: message(`from='${ME}'`),
    hears: 'improper-addressing',
    kind: 'improper-addressing',
  },
  {
    what: 'a stanza before authentication',
    at: 'secured',
    says: message(good),
    hears: 'not-authorized',
    kind: 'not-authorized',
  },
  {
    what: 'a stanza over the limit',
    at: 'proven',
    says: message(good, `<body>${'x'.repeat(STANZA_LIMIT)}</body>`),
    hears: 'policy-violation',
    kind: 'stanza-too-big',
  },
  {
    what: 'an endless start tag before authentication',
    at: 'connected',
    says: `<stream:stream ${'x'.repeat(70_000)}`,
    hears: 'policy-violation',
    kind: 'stanza-too-big',
  },
  {
    what: 'an element that is no stanza',
    at: 'proven',
    says: `<telegram from='${ME}' to='${ROMEO}'/>`,
    hears: 'unsupported-stanza-type',
    kind: 'unsupported-stanza-type',
  },
  {
    what: 'a stream for a domain we do not serve',
    at: 'connected',
    says: `<stream:stream xmlns='jabber:server' ${namespaces} from='${HOSTILE}' to='elsewhere.example' version='1.0'>`,
    hears: 'host-unknown',
    kind: 'host-unknown',
  },
  {
    what: 'a stream of another namespace',
    at: 'connected',
    says: `<stream:stream xmlns='jabber:client' ${namespaces} from='${HOSTILE}' to='${SIP}' version='1.0'>`,
    hears: 'invalid-namespace',
    kind: 'invalid-namespace',
  },
]
