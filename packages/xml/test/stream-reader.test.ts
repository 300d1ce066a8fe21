import { DEFAULT_XML_LIMITS, XmlStreamReader, childOf, namespaceOf, textOf } from '@stox/xml'
import type { XmlEvent } from '@stox/xml'
import { HEADER, SENTINEL, bytewise, latin1, randomly, read, utf8, whole } from './feeding.ts'

const cuts = [whole, bytewise, randomly(1), randomly(2), randomly(3)]

/** The same lines whatever the chunks; gives them. */
function readEveryWay(bytes: Uint8Array): string[] {
  const lines = read(bytes)
  for (const cut of cuts) expect(read(bytes, cut)).toEqual(lines)
  return lines
}

const NOT_WELL_FORMED = 'not-well-formed'
const RESTRICTED = 'restricted-xml'
const inStanza = (content: string): string => `<message>${content}</message>`

describe('what must be refused', () => {
  test.each<[string, string, string]>([
    ['comment between stanzas', '<!-- x -->', RESTRICTED],
    ['comment inside a stanza', inStanza('<!-- x -->'), RESTRICTED],
    ['processing instruction between stanzas', '<?php x?>', RESTRICTED],
    ['processing instruction in a stanza', inStanza('<?php x?>'), RESTRICTED],
    ['second XML declaration', "<?xml version='1.0'?>", RESTRICTED],
    ['DOCTYPE after the header', '<!DOCTYPE x>', RESTRICTED],
    ['DOCTYPE with an internal subset', "<!DOCTYPE x [<!ENTITY a 'b'>]>", RESTRICTED],
    ['<!x> that hides a following stanza', inStanza('<!x>'), RESTRICTED],
    ['conditional section', inStanza('<![INCLUDE[x]]>'), RESTRICTED],
    ['CDATA between stanzas', '<![CDATA[x]]>', RESTRICTED],
    ['undefined entity', inStanza('<body>&bogus;</body>'), RESTRICTED],
    ['&nbsp;', inStanza('<body>&nbsp;</body>'), RESTRICTED],
    ['undefined entity in an attribute', "<message a='&bogus;'/>", RESTRICTED],
    ['bare & in text', inStanza('<body>a & b</body>'), NOT_WELL_FORMED],
    ['bare & before a later ;', inStanza('<body>a & b;</body>'), NOT_WELL_FORMED],
    ['bare & at the end of text', inStanza('<body>a &</body>'), NOT_WELL_FORMED],
    ['reference without its end', inStanza('<body>&amp</body>'), NOT_WELL_FORMED],
    ['&#0;', inStanza('<body>&#0;</body>'), NOT_WELL_FORMED],
    ['&#x1F;', inStanza('<body>&#x1F;</body>'), NOT_WELL_FORMED],
    ['&#xD800;', inStanza('<body>&#xD800;</body>'), NOT_WELL_FORMED],
    ['surrogate pair by references', inStanza('<body>&#xD83D;&#xDE00;</body>'), NOT_WELL_FORMED],
    ['&#xFFFE;', inStanza('<body>&#xFFFE;</body>'), NOT_WELL_FORMED],
    ['&#x110000;', inStanza('<body>&#x110000;</body>'), NOT_WELL_FORMED],
    ['&#; and &#x;', inStanza('<body>&#;&#x;</body>'), NOT_WELL_FORMED],
    ['&#X41; with a capital X', inStanza('<body>&#X41;</body>'), NOT_WELL_FORMED],
    ['raw U+0001', inStanza('<body>\u0001</body>'), NOT_WELL_FORMED],
    ['raw NUL', inStanza('<body>\0</body>'), NOT_WELL_FORMED],
    ['raw U+FFFF', inStanza('<body>\uffff</body>'), NOT_WELL_FORMED],
    ['raw U+0001 in an attribute', "<message a='\u0001'/>", NOT_WELL_FORMED],
    ['mismatched tags', '<message><body></message></body>', NOT_WELL_FORMED],
    ['end tag with a longer name', '<message></messages>', NOT_WELL_FORMED],
    ['end tag with a shorter name', '<message></messag>', NOT_WELL_FORMED],
    ['end tag in other case', '<message></Message>', NOT_WELL_FORMED],
    ['empty end tag', '<message></>', NOT_WELL_FORMED],
    ['duplicate attribute (two from)', "<message from='a' from='b'/>", NOT_WELL_FORMED],
    ['same attribute by two prefixes', "<message xmlns:p='u' xmlns:q='u' p:a='1' q:a='2'/>", NOT_WELL_FORMED],
    ['unbound prefix (element)', '<message><p:x/></message>', NOT_WELL_FORMED],
    ['unbound prefix (attribute)', "<message p:x='1'/>", NOT_WELL_FORMED],
    ['prefix out of scope', "<message><a xmlns:p='u'/><p:b/></message>", NOT_WELL_FORMED],
    ['prefix named like a property of objects', '<message><constructor:x/></message>', NOT_WELL_FORMED],
    ['prefix __proto__', '<message><__proto__:x/></message>', NOT_WELL_FORMED],
    ["xmlns:p=''", "<message xmlns:p=''/>", NOT_WELL_FORMED],
    ['xml prefix bound anew', "<message xmlns:xml='urn:x'/>", NOT_WELL_FORMED],
    ['other prefix for the xml namespace', "<m xmlns:y='http://www.w3.org/XML/1998/namespace'/>", NOT_WELL_FORMED],
    ['the xml namespace as default', "<m xmlns='http://www.w3.org/XML/1998/namespace'/>", NOT_WELL_FORMED],
    ['xmlns declared', "<m xmlns:xmlns='http://www.w3.org/2000/xmlns/'/>", NOT_WELL_FORMED],
    ['element with the prefix xmlns', '<message><xmlns:x/></message>', NOT_WELL_FORMED],
    ['name a:b:c', "<a:b:c xmlns:a='u'/>", NOT_WELL_FORMED],
    ['names :a, a: and :', '<:a/>', NOT_WELL_FORMED],
    ['name a:', "<a: xmlns:a='u'/>", NOT_WELL_FORMED],
    ['local name that begins with a digit', "<m xml:1lang='x'/>", NOT_WELL_FORMED],
    ['attribute unquoted', '<message a=b/>', NOT_WELL_FORMED],
    ['junk before the quote', "<message a=x'b'/>", NOT_WELL_FORMED],
    ['attribute without value', '<message a/>', NOT_WELL_FORMED],
    ['attribute without value, with =', '<message a=/>', NOT_WELL_FORMED],
    ['< in attribute value', "<message a='<'/>", NOT_WELL_FORMED],
    ['bare & in attribute value', "<message a='a & b'/>", NOT_WELL_FORMED],
    ['no space between attributes', "<message a='1'b='2'/>", NOT_WELL_FORMED],
    [']]> in text', inStanza('<body>a]]>b</body>'), NOT_WELL_FORMED],
    ['end tag with attribute', "<message></message a='1'>", NOT_WELL_FORMED],
    ["<a / b='1'>", "<a / b='1'>", NOT_WELL_FORMED],
    ['name 1a', '<1a/>', NOT_WELL_FORMED],
    ['name a$b', '<a$b/>', NOT_WELL_FORMED],
    ['name a<b', '<a<b/>', NOT_WELL_FORMED],
    ['name with U+00D7', '<a\u00d7/>', NOT_WELL_FORMED],
    ['name that begins with a combining mark', '<\u0301a/>', NOT_WELL_FORMED],
    ['space before the name', '< message/>', NOT_WELL_FORMED],
    ['no name at all', '<>', NOT_WELL_FORMED],
    ['text between stanzas', 'x', 'invalid-xml'],
    ['reference between stanzas', '&#32;', 'invalid-xml'],
    ['U+FEFF between stanzas', '\ufeff', 'invalid-xml'],
    ['first-level element with an unbound prefix stream', '<streams><stream1:x/></streams>', NOT_WELL_FORMED],
  ])('%s', (_name, input, condition) => {
    const lines = readEveryWay(utf8(HEADER + input + SENTINEL))
    expect(lines).toHaveLength(2)
    expect(lines[1]).toMatch(new RegExp(`^failure ${condition}: `))
  })

  test.each<[string, string]>([
    ['invalid byte', '\xff'],
    ['lone continuation', '\x80'],
    ['overlong slash', '\xc0\xaf'],
    ['overlong of three', '\xe0\x80\xaf'],
    ['surrogate', '\xed\xa0\x80'],
    ['truncated', '\xe2\x82'],
    ['truncated of four', '\xf0\x9f\x98'],
    ['beyond U+10FFFF', '\xf4\x90\x80\x80'],
  ])('UTF-8: %s', (_name, raw) => {
    for (const place of [inStanza(`<body>${raw}</body>`), `<message a='${raw}'/>`, inStanza(`<![CDATA[${raw}]]>`)]) {
      const lines = readEveryWay(latin1(SENTINEL_HEADER + place + SENTINEL))
      expect(lines.slice(2)).toEqual(['failure not-well-formed: invalid UTF-8'])
    }
  })

  test.each<[string, string, string]>([
    ['encoding ISO-8859-1', "<?xml version='1.0' encoding='ISO-8859-1'?><a>", 'unsupported-encoding'],
    ['encoding UTF-16', "<?xml version='1.0' encoding='UTF-16'?><a>", 'unsupported-encoding'],
    ['version 1.1', "<?xml version='1.1'?><a>", NOT_WELL_FORMED],
    ['no version', "<?xml encoding='UTF-8'?><a>", NOT_WELL_FORMED],
    ['declaration without its question mark', "<?xml version='1.0'><a>", NOT_WELL_FORMED],
    ['declaration after a space', " <?xml version='1.0'?><a>", RESTRICTED],
    ['instruction before the root', '<?xml-stylesheet href="x"?><a>', RESTRICTED],
    ['comment before the root', '<!-- x --><a>', RESTRICTED],
    ['billion laughs', '<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>', RESTRICTED],
    ['external entity', '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a>', RESTRICTED],
    ['text before the root', 'x<a>', NOT_WELL_FORMED],
    ['BOM', '\xef\xbb\xbf<a>', NOT_WELL_FORMED],
    ['UTF-16 with a BOM', '\xff\xfe<\0a\0>\0', 'unsupported-encoding'],
    ['UTF-32', '\0\0\0<', 'unsupported-encoding'],
    ['end tag before the root', '</a>', NOT_WELL_FORMED],
    ['root with the prefix stream unbound', "<stream:stream xmlns='jabber:server'>", 'bad-namespace-prefix'],
    ['root with another prefix unbound', "<s:stream xmlns='jabber:server'>", NOT_WELL_FORMED],
    ['HTTP', 'GET / HTTP/1.1\r\n\r\n', NOT_WELL_FORMED],
    ['TLS', '\x16\x03\x01\x02\x00', NOT_WELL_FORMED],
  ])('in place of the header: %s', (_name, input, condition) => {
    const lines = readEveryWay(latin1(input))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(new RegExp(`^failure ${condition}: `))
  })

  test('a dialback prefix that the header does not declare', () => {
    const header = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server'>"
    expect(readEveryWay(utf8(`${header}<db:result/>`))[1]).toBe('failure bad-namespace-prefix: an unbound prefix')
  })

  test('nothing comes after the first error, and no half-done element before it', () => {
    const lines = readEveryWay(utf8(`${HEADER}${SENTINEL}<message><body>x</body></mess>${SENTINEL}`))
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['start', '57', 'failure'])
  })
})

const SENTINEL_HEADER = HEADER + SENTINEL

describe('what must be accepted', () => {
  test.each<[string, string, string]>([
    ['CDATA', '<![CDATA[<a> & ]]>', '<a> & '],
    ['CDATA with ]]]]>', '<![CDATA[a]]]]><![CDATA[>b]]>', 'a]]>b'],
    ['empty CDATA', 'a<![CDATA[]]>b', 'ab'],
    ['CDATA beside text is one text', 'a<![CDATA[b]]>c', 'abc'],
    ['character references', '&#65;&#x42;&#x1F600;&#0067;', 'AB😀C'],
    ['the five entities', '&lt;&gt;&amp;&quot;&apos;', '<>&"\''],
    ['references are not read twice', '&amp;lt;&#38;gt;', '&lt;&gt;'],
    ['CR LF and CR in text', 'a\r\nb\rc\n\rd', 'a\nb\nc\n\nd'],
    ['CR by reference is kept', 'a&#13;b', 'a\rb'],
    ['multibyte characters', 'é€😀', 'é€😀'],
    ['> and quotes in text', 'a > "b" \'c\'', 'a > "b" \'c\''],
    ['U+FFFD, DEL and U+1FFFE', '\ufffd\x7f\u{1fffe}', '\ufffd\x7f\u{1fffe}'],
    ['U+FEFF in text', 'a\ufeffb', 'a\ufeffb'],
  ])('%s', (_name, content, expected) => {
    for (const cut of cuts) {
      const element = firstElement(`<message><body>${content}</body></message>`, cut)
      expect(textOf(childOf(element, 'body', 'jabber:server')!)).toBe(expected)
      expect(childOf(element, 'body', 'jabber:server')!.children).toHaveLength(1)
    }
  })

  test.each<[string, string, Record<string, string>]>([
    ['white space is normalised', "<m a='x\t\r\n\n\ry'/>", { a: 'x    y' }],
    ['white space by reference is kept', "<m a='x&#9;&#10;&#13;y'/>", { a: 'x\t\n\ry' }],
    ['either quote', `<m a="it's" b='"'/>`, { a: "it's", b: '"' }],
    ['> in a value', "<m a='>/>'/>", { a: '>/>' }],
    [']]> in a value', "<m a=']]>'/>", { a: ']]>' }],
    ['space around =', "<m a = 'x' \n b\t=\r'y' />", { a: 'x', b: 'y' }],
    [
      'names of properties of objects',
      "<m constructor='1' __proto__='2' hasOwnProperty='3'/>",
      {
        constructor: '1',
        ['__proto__']: '2',
        hasOwnProperty: '3',
      },
    ],
    ['names beyond ASCII', "<m é='1' ·a='2'/>".replace('·a', 'a·'), { é: '1', 'a·': '2' }],
    ['xml:lang', "<m xml:lang='de'/>", { 'xml:lang': 'de' }],
    [
      'one local name in two namespaces',
      "<m xmlns:p='u' xmlns:q='v' p:a='1' q:a='2' a='3'/>",
      {
        'xmlns:p': 'u',
        'xmlns:q': 'v',
        'p:a': '1',
        'q:a': '2',
        a: '3',
      },
    ],
  ])('attributes: %s', (_name, stanza, expected) => {
    for (const cut of cuts) {
      const { attrs } = firstElement(stanza, cut)
      expect(Object.entries(attrs)).toEqual([...Object.entries(expected), ['xmlns', 'jabber:server']])
    }
  })

  test('space in an end tag and white space between stanzas', () => {
    const lines = readEveryWay(utf8(`${HEADER} \r\n\t<a></a \n>\n</stream:stream >${SENTINEL}`))
    expect(lines.slice(1)).toEqual(["12 <a xmlns='jabber:server'/>".replace('12', '9'), 'end'])
  })

  test('names beyond ASCII', () => {
    expect(readEveryWay(utf8(`${HEADER}<été><p:œ xmlns:p='é'/></été>`))[1]).toMatch(/<été xmlns='jabber:server'><p:œ /)
  })

  test('a header with all that is allowed', () => {
    const declaration = `<?xml version = "1.0" encoding='utf-8' standalone="yes" ?>\r\n`
    expect(readEveryWay(utf8(`${declaration}<a b='c'/>`))).toEqual(["start <a b='c'/>", 'end'])
  })
})

describe('first-level elements stand alone', () => {
  test.each<[string, string, string]>([
    ['default namespace', '<message/>', "<message xmlns='jabber:server'/>"],
    ['own default namespace', "<a xmlns='urn:a'><b/></a>", "<a xmlns='urn:a'><b/></a>"],
    ['no namespace', "<a xmlns=''/>", "<a xmlns=''/>"],
    [
      'prefix of the header on the element',
      "<db:result from='a'/>",
      "<db:result from='a' xmlns:db='jabber:server:dialback' xmlns='jabber:server'/>",
    ],
    [
      'prefix of the header deep inside, once',
      '<a><b><db:c/><db:d/></b></a>',
      "<a xmlns:db='jabber:server:dialback' xmlns='jabber:server'><b><db:c/><db:d/></b></a>",
    ],
    [
      'prefix of the header on an attribute',
      "<a><b db:c='1'/></a>",
      "<a xmlns:db='jabber:server:dialback' xmlns='jabber:server'><b db:c='1'/></a>",
    ],
    [
      'prefix bound anew inside',
      "<a><b xmlns:db='urn:b'><db:c/></b></a>",
      "<a xmlns='jabber:server'><b xmlns:db='urn:b'><db:c/></b></a>",
    ],
  ])('%s', (_name, stanza, expected) => {
    const line = readEveryWay(utf8(HEADER + stanza))[1]!
    expect(line).toBe(`${stanza.length} ${expected}`)
  })

  test('namespaces resolve without the root', () => {
    const element = firstElement("<message><x xmlns=''/><db:y/></message>", whole)
    expect(element.parent).toBeNull()
    expect(element.children.map((child) => (typeof child === 'string' ? child : namespaceOf(child)))).toEqual([
      '',
      'jabber:server:dialback',
    ])
  })
})

describe('limits', () => {
  const refusal = (text: string, limits: Parameters<typeof read>[2]): string => {
    const lines = cuts.map((cut) => read(utf8(text), cut, limits))
    for (const other of lines) expect(other).toEqual(lines[0])
    return lines[0]!.at(-1)!
  }

  test.each<[string, string, Parameters<typeof read>[2], boolean]>([
    ['header just fits', `${HEADER}<a/>`, { maxHeaderBytes: HEADER.length }, false],
    ['header a byte too long', `${HEADER}<a/>`, { maxHeaderBytes: HEADER.length - 1 }, true],
    ['header of white space', `${' '.repeat(51)}<a>`, { maxHeaderBytes: 50 }, true],
    ['stanza just fits', `${HEADER}<a>12345</a>`, { maxStanzaBytes: 12 }, false],
    ['stanza a byte too long', `${HEADER}<a>123456</a>`, { maxStanzaBytes: 12 }, true],
    ['bytes count, not characters', `${HEADER}<a>é€</a>`, { maxStanzaBytes: 11 }, true],
    ['white space between stanzas is free', `${HEADER}${' '.repeat(50)}<a/>`, { maxStanzaBytes: 12 }, false],
    ['two stanzas are counted apart', `${HEADER}<a>12345</a><a>12345</a>`, { maxStanzaBytes: 12 }, false],
    ['text without end', `${HEADER}<a>${'x'.repeat(100)}`, { maxStanzaBytes: 50 }, true],
    ['tag without end', `${HEADER}<a b='${'x'.repeat(100)}`, { maxStanzaBytes: 50 }, true],
    ['CDATA without end', `${HEADER}<a><![CDATA[${'x'.repeat(100)}`, { maxStanzaBytes: 50 }, true],
    ['size goes before a later fault in the token', `${HEADER}<a b=${'x'.repeat(100)}>`, { maxStanzaBytes: 50 }, true],
    ['size goes before a forbidden start', `${HEADER}<a>123456<!-- -->`, { maxStanzaBytes: 10 }, true],
    ['depth fits', `${HEADER}<a><b><c/></b></a>`, { maxDepth: 3 }, false],
    ['too deep', `${HEADER}<a><b><c><d/></c></b></a>`, { maxDepth: 3 }, true],
    ['attributes fit', `${HEADER}<a b='1' c='2'/>`, { maxAttributes: 6 }, false],
    ['too many attributes', `${HEADER}<a b='1' c='2' d='3' e='4' f='5' g='6' h='7'/>`, { maxAttributes: 6 }, true],
    ['names fit', `${HEADER}<${'a'.repeat(20)}/>`, { maxNameLength: 20 }, false],
    ['element name too long', `${HEADER}<${'a'.repeat(21)}/>`, { maxNameLength: 20 }, true],
    ['attribute name too long', `${HEADER}<a ${'a'.repeat(21)}='1'/>`, { maxNameLength: 20 }, true],
    ['elements fit', `${HEADER}<a><b/><b/></a><a><b/><b/></a>`, { maxElements: 3 }, false],
    ['too many elements', `${HEADER}<a><b/><b/><b/></a>`, { maxElements: 3 }, true],
  ])('%s', (_name, text, limits, refused) => {
    expect(refusal(text, limits).startsWith('failure policy-violation')).toBe(refused)
  })

  test('10,000 levels are refused at the 65th', () => {
    const reader = new XmlStreamReader(DEFAULT_XML_LIMITS)
    reader.push(utf8(HEADER))
    expect(reader.push(utf8('<a>'.repeat(64)))).toEqual([])
    expect(reader.push(utf8('<a>'))).toEqual([
      { kind: 'failure', failure: { condition: 'policy-violation', detail: 'too deep' } },
    ])
    expect(read(utf8(`${HEADER}${'<a>'.repeat(10_000)}`))).toHaveLength(2)
  })

  test('100 MB of text stop at the limit', () => {
    const reader = new XmlStreamReader(DEFAULT_XML_LIMITS)
    reader.push(utf8(`${HEADER}<message><body>`))
    const chunk = utf8('x'.repeat(65_536))
    const events: XmlEvent[] = []
    let pushed = 0
    for (; pushed < 1600; pushed += 1) {
      events.push(...reader.push(chunk))
      expect(reader.pendingBytes).toBeLessThanOrEqual(DEFAULT_XML_LIMITS.maxStanzaBytes)
    }
    expect(events).toEqual([
      { kind: 'failure', failure: { condition: 'policy-violation', detail: 'an element too long' } },
    ])
  })

  test('limits can be changed on the way', () => {
    const reader = new XmlStreamReader({ ...DEFAULT_XML_LIMITS, maxStanzaBytes: 10 })
    reader.push(utf8(HEADER))
    reader.setLimits({ ...DEFAULT_XML_LIMITS, maxStanzaBytes: 100 })
    expect(reader.push(utf8(SENTINEL))).toHaveLength(1)
  })

  test('byte by byte costs no rescan: 256 kB in pieces of one byte', () => {
    const stanza = `<message a='${'x'.repeat(120_000)}'><body>${'y'.repeat(120_000)}</body></message>`
    const reader = new XmlStreamReader(DEFAULT_XML_LIMITS)
    reader.push(utf8(HEADER))
    const bytes = utf8(stanza)
    const before = process.cpuUsage().user
    let events: readonly XmlEvent[] = []
    for (let at = 0; at < bytes.length; at += 1) events = reader.push(bytes.subarray(at, at + 1))
    expect(events).toHaveLength(1)
    expect((process.cpuUsage().user - before) / 1000).toBeLessThan(3000) // a rescan takes minutes
  })
})

describe('pendingBytes', () => {
  test('shows what is left behind the last whole element', () => {
    const reader = new XmlStreamReader(DEFAULT_XML_LIMITS)
    const pending = (text: string): number => {
      reader.push(utf8(text))
      return reader.pendingBytes
    }
    expect(pending(HEADER)).toBe(0)
    expect(pending(`${SENTINEL} \n`)).toBe(0)
    expect(pending('<')).toBe(1)
    expect(pending('a><b/>')).toBe(7)
    expect(pending('x')).toBe(8)
    expect(pending('</a>')).toBe(0)
    expect(pending('</stream:stream>')).toBe(0)
  })
})

function firstElement(stanza: string, cut: (remaining: number) => number) {
  const reader = new XmlStreamReader(DEFAULT_XML_LIMITS)
  const bytes = utf8(HEADER + stanza)
  for (let at = 0; at < bytes.length;) {
    const size = cut(bytes.length - at)
    for (const event of reader.push(bytes.subarray(at, at + size))) if (event.kind === 'element') return event.element
    at += size
  }
  throw new Error('no element came')
}
