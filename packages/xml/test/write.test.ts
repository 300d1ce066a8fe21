import fc from 'fast-check'
import {
  el,
  escapeAttribute,
  escapeText,
  parseXmlDocument,
  sanitizeText,
  serializeStartTag,
  serializeXml,
} from '@stox/xml'
import type { XmlElement } from '@stox/xml'

describe('serializeXml', () => {
  test.each<[string, XmlElement, string]>([
    ['empty', el('a'), '<a/>'],
    ['attributes left out', el('a', { b: undefined, c: '1' }), "<a c='1'/>"],
    ['text escaped', el('a', {}, '<&>"\''), '<a>&lt;&amp;&gt;"\'</a>'],
    ['value escaped', el('a', { b: '<&>"\'' }), "<a b='&lt;&amp;&gt;\"&apos;'/>"],
    ['white space in a value', el('a', { b: 'x\t\r\ny' }), "<a b='x&#9;&#13;&#10;y'/>"],
    ['CR in text', el('a', {}, 'x\r\ny\tz'), '<a>x&#13;\ny\tz</a>'],
    ['controls', el('a', { b: '\0' }, 'x\x08\x1f\x7f'), "<a b='\ufffd'>x\ufffd\ufffd\x7f</a>"],
    ['lone surrogates', el('a', { b: '\udc00\ud800' }, 'x\ud83dy'), "<a b='\ufffd\ufffd'>x\ufffdy</a>"],
    ['surrogate pairs', el('a', { b: '😀' }, '😀'), "<a b='😀'>😀</a>"],
    ['noncharacters', el('a', {}, '\ufffe\uffff\ufffd'), '<a>\ufffd\ufffd\ufffd</a>'],
    ['children in order', el('a', {}, '1', el('b', {}, el('c'), '2'), '3', el('d')), '<a>1<b><c/>2</b>3<d/></a>'],
  ])('%s', (_name, element, expected) => expect(serializeXml(element)).toBe(expected))

  test.each(['', '1a', 'a b', 'a>', 'a:b:c', ':a', 'a:', "a'", 'a/'])('refuses the name %j', (name) => {
    expect(() => serializeXml(el(name))).toThrow(RangeError)
    expect(() => serializeXml(el('a', { [name]: '1' }))).toThrow(RangeError)
    expect(() => serializeXml(el('a', {}, el(name)))).toThrow(RangeError)
  })

  test('deep trees are written, endless ones refused', () => {
    let deep = el('a')
    for (let level = 0; level < 9000; level += 1) deep = el('a', {}, deep)
    expect(serializeXml(deep)).toHaveLength(9000 * 7 + 4)
    const endless = el('a')
    endless.children.push(endless)
    expect(() => serializeXml(endless)).toThrow(RangeError)
  })

  test('serializeStartTag', () => {
    expect(serializeStartTag(el('stream:stream', { a: '1' }, 'x'))).toBe("<stream:stream a='1'>")
  })

  test('what is written is read as it was, for every tree', () => {
    const name = fc.constantFrom('a', 'b1', '_c', 'été', 'x-y.z')
    const text = fc.string({ unit: 'grapheme', minLength: 1 }).map(sanitizeText)
    const anything = fc.string({ unit: 'binary', minLength: 1 })
    const tree = fc.letrec<{ node: XmlElement }>((tie) => ({
      node: fc
        .tuple(
          name,
          fc.dictionary(name, fc.oneof(text, anything)),
          fc.array(fc.oneof({ depthSize: 'small' }, anything, text, tie('node')), { maxLength: 4 }),
        )
        .map(([tag, attrs, children]) => el(tag, attrs, ...children)),
    })).node
    fc.assert(
      fc.property(tree, (element) => {
        const written = serializeXml(element)
        const result = parseXmlDocument(written)
        expect(result.ok && serializeXml(result.value)).toBe(written)
      }),
      { seed: 7, numRuns: 300 },
    )
  })

  test('text keeps its value through the wire', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), fc.string({ unit: 'grapheme' }), (ascii, wide) => {
        const result = parseXmlDocument(`<a b='${escapeAttribute(ascii + wide)}'>${escapeText(ascii + wide)}</a>`)
        const legal = (ascii + wide).replace(/[\0-\x08\x0b\x0c\x0e-\x1f]/g, '\ufffd')
        if (!result.ok) throw new Error(result.failure.detail)
        expect(result.value.attrs.b).toBe(legal)
        expect(result.value.children.join('')).toBe(legal)
      }),
      { seed: 8, numRuns: 500 },
    )
  })
})

test.each([
  ['a\r\nb\rc', 'a\nb\nc'],
  ['\0\x0b\ud800😀\uffff', '\ufffd\ufffd\ufffd😀\ufffd'],
  ['tab\tstays', 'tab\tstays'],
])('sanitizeText(%j)', (text, expected) => expect(sanitizeText(text)).toBe(expected))
