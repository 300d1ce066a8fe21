import { SaxesParser } from 'saxes'
import { chanceFrom } from '@stox/kernel'
import { DEFAULT_XML_LIMITS, XmlStreamReader, el, serializeXml } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { HEADER, bytewise, latin1, randomly, read, utf8, whole } from './feeding.ts'

/**
 * Mutated streams, read by us and by saxes. Both must deliver the same first-level elements, and agree on whether there
 * was an error, but for differences that are ours by intent:
 * - we refuse comments, instructions, DTDs, text and CDATA between stanzas, other encodings and BOMs, and what is over
 *   a limit; saxes does not, so a stream that we refuse for one of these is compared up to there only;
 * - saxes waits on a bare `&` until a `;`, and lets `xml:1x` and the like pass (names after a colon): where we end with
 *   not-well-formed, saxes may go on;
 * - we judge a token when it is whole: behind a stray quote we may still wait (to the limit) where saxes has complained;
 * - what follows the end tag of the stream we ignore;
 * - saxes decodes nothing: it gets strictly decoded text, cut at the first bad byte.
 * Never allowed: that saxes reports an error and we deliver an element beyond it, or that we read an element otherwise.
 */
const STANZAS = [
  "<message from='a@x.example/r' to='b@y.example' type='chat' id='m1'><body>Hello &amp; good &lt;day&gt; &#x41;</body></message>",
  "<presence from='a@x.example'><show>away</show><c xmlns='http://jabber.org/protocol/caps' hash=\"sha-1\" ver='q='/></presence>",
  "<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#info' xml:lang='en'/></iq>",
  "<db:result from='a' to='b'>abcdef</db:result>",
  "<message><p:x xmlns:p='urn:p' p:y='1' y='2'><p:z/></p:x><body><![CDATA[a <b> ]] c]]></body>\r\n</message>",
  '<message><body>été € 😀</body></message>',
]
const SPLINTERS = [
  ...[
    '<',
    '>',
    '/',
    "'",
    '"',
    '&',
    ';',
    '=',
    ' ',
    ':',
    '\0',
    '\r',
    '\n',
    ']]>',
    '<!--',
    '<?',
    '?>',
    '<![CDATA[',
    '&#0;',
  ],
  ...[
    '&x;',
    'xmlns=',
    "xmlns:p=''",
    '<a>',
    '</a>',
    '<p:a/>',
    '</message>',
    '\xc3',
    '\xa9',
    '\xff',
    'é',
    '1',
    '-',
    '\x7f',
  ],
  ...[" a='1'", " a='1'", '&#65;', '&amp', '</stream:stream>', 'xml:', '<x/>', '\ufffe', '😀'],
]

function mutated(chance: () => number): Uint8Array {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(chance() * from.length)]!
  let bytes = Buffer.concat([0, 1, 2].map(() => utf8(pick(STANZAS))))
  for (let count = Math.floor(chance() * 3); count >= 0; count -= 1) {
    const at = Math.floor(chance() * bytes.length)
    const cut = chance() < 0.4 ? 1 + Math.floor(chance() * 4) : 0
    const splinter = chance() < 0.7 ? pick(SPLINTERS) : ''
    const inserted = splinter.length === 1 && splinter <= '\xff' ? latin1(splinter) : utf8(splinter)
    bytes = Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + cut)])
  }
  return bytes
}

interface Reading {
  /** A token is under way, or the stream has ended. */
  readonly unfinished: boolean
  readonly elements: readonly string[]
  readonly error: string | undefined
}

function ours(bytes: Uint8Array): Reading {
  const reader = new XmlStreamReader(DEFAULT_XML_LIMITS)
  const elements: string[] = []
  for (const event of reader.push(bytes)) {
    if (event.kind === 'element') elements.push(serializeXml(event.element))
    if (event.kind === 'stream-end') return { elements, error: undefined, unfinished: true }
    if (event.kind === 'failure') return { elements, error: event.failure.condition, unfinished: false }
  }
  return { elements, error: undefined, unfinished: reader.pendingBytes > 0 }
}

/** Elements are held back until the next event, since saxes closes an element before it reports a wrong end tag. */
function saxes(bytes: Uint8Array): Reading {
  const parser = new SaxesParser({ xmlns: true })
  const path: XmlElement[] = []
  const elements: string[] = []
  let error: string | undefined
  let depth = 0
  let bad = false
  const text = (content: string): void => {
    const parent = path.at(-1)
    if (parent === undefined || content === '') return
    const last = parent.children.at(-1)
    if (typeof last === 'string') parent.children[parent.children.length - 1] = last + content
    else parent.children.push(content)
  }
  parser.on('error', (problem) => {
    error ??= problem.message
    bad = true
  })
  parser.on('text', text)
  parser.on('cdata', text)
  parser.on('opentag', (tag) => {
    depth += 1
    if (depth === 1 || bad) return
    const element = el(tag.name)
    for (const [name, attribute] of Object.entries(tag.attributes)) element.attrs[name] = attribute.value
    const parent = path.at(-1)
    if (parent !== undefined) {
      parent.children.push(element)
      element.parent = parent
    }
    path.push(element)
  })
  parser.on('closetag', () => {
    depth -= 1
    const element = path.pop()
    if (bad || element === undefined || path.length > 0) return
    const first = element
    const needs = new Set<string>()
    collectPrefixes(first, new Set(), needs)
    if (needs.has('db')) first.attrs['xmlns:db'] ??= 'jabber:server:dialback'
    if (needs.has('stream')) first.attrs['xmlns:stream'] ??= 'http://etherx.jabber.org/streams'
    first.attrs.xmlns ??= 'jabber:server'
    held = first
  })
  let held: XmlElement | undefined
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  for (const byte of bytes) {
    if (bad) break
    let character: string
    try {
      character = decoder.decode(Uint8Array.of(byte), { stream: true })
    } catch {
      error = 'bad UTF-8'
      break
    }
    if (character === '') continue
    parser.write(character)
    if (held !== undefined && !bad) elements.push(written(held))
    held = undefined
  }
  return { elements, error, unfinished: false }
}

/** Our writer refuses the names that saxes lets pass. */
function written(element: XmlElement): string {
  try {
    return serializeXml(element)
  } catch {
    return 'a bad name'
  }
}

function collectPrefixes(element: XmlElement, declared: ReadonlySet<string>, needs: Set<string>): void {
  const names = Object.keys(element.attrs)
  const inner = new Set([
    ...declared,
    ...names.filter((name) => name.startsWith('xmlns:')).map((name) => name.slice(6)),
  ])
  for (const name of [element.name, ...names.filter((other) => !other.startsWith('xmlns'))]) {
    const [prefix, local] = name.split(':')
    if (local !== undefined && !inner.has(prefix!)) needs.add(prefix!)
  }
  for (const child of element.children) if (typeof child !== 'string') collectPrefixes(child, inner, needs)
}

const sorted = (lines: readonly string[]): string[] => lines.map((line) => line.replace(/ xmlns(?::\w+)?='[^']*'/g, ''))

test('mutated streams: saxes and we deliver the same, and chunks change nothing', () => {
  const chance = chanceFrom(20_261_122)
  const untilMs = Date.now() + 3000
  let streams = 0
  let accepted = 0
  let stricter = 0
  while (streams < 3000 && Date.now() < untilMs) {
    const bytes = Buffer.concat([utf8(HEADER), mutated(chance)])
    const mine = ours(bytes)
    const theirs = saxes(bytes)
    const shown = bytes.subarray(HEADER.length).toString('latin1')
    streams += 1
    if (mine.error === undefined) accepted += 1

    const common = mine.error === undefined ? theirs.elements : theirs.elements.slice(0, mine.elements.length)
    expect({ shown, elements: sorted(mine.elements) }).toEqual({ shown, elements: sorted(common) })
    if (mine.error === undefined && !mine.unfinished) {
      expect({ shown, error: theirs.error }).toEqual({ shown, error: undefined })
    } else if (theirs.error === undefined) stricter += 1

    const lines = read(bytes)
    expect({ shown, lines: read(bytes, randomly(streams)) }).toEqual({ shown, lines })
  }
  expect(streams).toBeGreaterThan(100)
  expect(accepted).toBeGreaterThan(streams / 10)
  expect(stricter).toBeLessThan(streams / 3)
})

test('any bytes give events, never a throw', () => {
  const chance = chanceFrom(3)
  for (let round = 0; round < 2000; round += 1) {
    const noise = Uint8Array.from({ length: Math.floor(chance() * 60) }, () =>
      chance() < 0.5 ? Math.floor(chance() * 256) : '<>/\'"&;=![]-? ax:'.charCodeAt(Math.floor(chance() * 17)),
    )
    const bytes = chance() < 0.5 ? noise : Buffer.concat([utf8(`${HEADER}<a>`), noise])
    const limits =
      chance() < 0.5 ? {} : { maxHeaderBytes: HEADER.length, maxStanzaBytes: 1 + Math.floor(chance() * 60) }
    expect(read(bytes, randomly(round), limits)).toEqual(read(bytes, whole, limits))
    expect(read(bytes, bytewise, limits)).toEqual(read(bytes, whole, limits))
  }
})
