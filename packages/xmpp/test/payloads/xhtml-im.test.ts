import * as fc from 'fast-check'
import { childrenOf, localNameOf, parseXmlDocument, serializeXml } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { htmlToXhtmlIm, xhtmlImToHtml } from '@stox/xmpp/xhtml-im'

const OPEN = "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>"
const CLOSE = '</body></html>'
const document = (xml: string): XmlElement => {
  const parsed = parseXmlDocument(xml)
  if (!parsed.ok) throw new Error(`${parsed.failure.detail}: ${xml}`)
  return parsed.value
}
/** What stands in the body, and the text. */
function read(html: string): { readonly xhtml: string; readonly text: string } {
  const formatted = htmlToXhtmlIm(html)
  if (!formatted.ok) throw new Error(formatted.failure.detail)
  const xml = serializeXml(formatted.value.xhtml)
  expect(serializeXml(document(xml))).toBe(xml)
  const isEmpty = !xml.startsWith(OPEN)
  return { xhtml: isEmpty ? '' : xml.slice(OPEN.length, -CLOSE.length), text: formatted.value.text }
}

test.each([
  ['a', '<a href="https://a.example/?b=1&amp;c=2">x</a>', "<a href='https://a.example/?b=1&amp;c=2'>x</a>"],
  [
    'blockquote',
    '<blockquote cite="http://a.example/">x</blockquote>',
    "<blockquote cite='http://a.example/'>x</blockquote>",
  ],
  ['br', 'a<br>b<br/>c', 'a<br/>b<br/>c'],
  ['cite', '<cite>x</cite>', '<cite>x</cite>'],
  ['em', '<em>x</em>', '<em>x</em>'],
  ['img is left out', 'a<img src="https://a.example/" alt="x">b', 'ab'],
  ['lists', '<ol><li>x</ol><ul><li>y</ul>', '<ol><li>x</li></ol><ul><li>y</li></ul>'],
  ['p', '<p>x<p>y', '<p>x</p><p>y</p>'],
  ['span', '<span style="color: red">x</span>', "<span style='color: red'>x</span>"],
  ['strong', '<strong>x</strong>', '<strong>x</strong>'],
  ['other words for these', '<b>x</b><i>y</i><div>z</div>', '<strong>x</strong><em>y</em><p>z</p>'],
  [
    'other words for a style',
    '<u>x</u><strike style="color:red">y</strike><h1>z</h1>',
    "<span style='text-decoration: underline'>x</span>" +
      "<span style='text-decoration: line-through; color: red'>y</span><p style='font-weight: bold'>z</p>",
  ],
  ['unknown elements leave their content', '<font face=x>a<blink>b</blink></font>', 'ab'],
])('mapping C.10, XEP-0071 §7 elements: %s', (_name, html, xhtml) => {
  expect(read(html).xhtml).toBe(xhtml)
})

test.each([
  ['script', 'a<script>alert(1)</script>b'],
  ['script that does not end', 'ab<script>alert(1)'],
  ['style', 'a<style>p { color: red }</style>b'],
  ['iframe', 'a<iframe src="https://x">c</iframe>b'],
  ['object', 'a<object data=x>c<param></object>b'],
  ['embed', 'a<embed src=x>b'],
  ['form', 'a<form action=x><input value=c>d<button>e</button></form>b'],
  ['what they hold', 'a<object><b>c<i>d</i></b></object>b'],
  ['the head', '<html><head><title>c</title><meta charset=x></head><body>ab'],
  ['svg', 'a<svg><text>c</text><script>d</script></svg>b'],
  ['comments', 'a<!-- <b>c</b> -->b'],
  ['handlers of events', '<div onclick="x()" onmouseover=y>ab</div>'],
  ['other attributes', '<p id=x class=y title=z dir=rtl>ab</p>'],
  ['a doctype', '<!DOCTYPE html>ab'],
  ['instructions', '<?php c ?>ab'],
])('mapping C.10 dropped: %s', (_name, html) => {
  const { xhtml, text } = read(html)
  expect(xhtml.replace(/^<p>(.*)<\/p>$/, '$1')).toBe('ab')
  expect(text).toBe('ab')
})

test.each([
  ['http:', 'http://a.example/', true],
  ['HTTPS:', 'HTTPS://a.example/', true],
  ['mailto:', 'mailto:a@b', true],
  ['xmpp:', 'xmpp:a@b?message', true],
  ['sip:', 'sip:a@b;gr=1', true],
  ['tel:', 'tel:+1', true],
  ['white space around it', ' \n https://a.example/ ', true],
  ['javascript:', 'javascript:alert(1)', false],
  ['a tab in it', 'java\tscript:alert(1)', false],
  ['an entity in it', 'java&#115;cript:alert(1)', false],
  ['data:', 'data:text/html,x', false],
  ['vbscript:', 'vbscript:x', false],
  ['file:', 'file:///etc/passwd', false],
  ['relative', '/x', false],
  ['without scheme', '//a.example/', false],
  ['a control in front', '&#1;https://a.example/', false],
  ['a space within', 'https://a.example/ b', false],
  ['too long', `https://a.example/${'x'.repeat(2048)}`, false],
])('mapping C.10 schemes: %s', (_name, href, kept) => {
  const { xhtml } = read(`<a href="${href}">x</a>`)
  expect(xhtml.startsWith('<a href=')).toBe(kept)
  expect(xhtml).toContain('x')
})

test.each([
  ['colours', 'color:#F00;background-color:rgb(1, 2, 3)', 'color: #F00; background-color: rgb(1, 2, 3)'],
  ['fonts', 'font-family: "A B", serif; FONT-SIZE:12pt', 'font-family: "A B", serif; font-size: 12pt'],
  [
    'the rest of the list',
    'font-style:italic;font-weight:700;margin-left:1em;margin-right:-1px;text-align:center;text-decoration:underline',
    'font-style: italic; font-weight: 700; margin-left: 1em; margin-right: -1px; text-align: center; text-decoration: underline',
  ],
  ['others are left out', 'position:fixed;color:red;display:none', 'color: red'],
  ['url()', 'color:url(https://x)', undefined],
  ['expression()', 'color:expression(alert(1))', undefined],
  ['an escape', 'color:\\72 ed', undefined],
  ['a comment', 'color:/**/red', undefined],
  ['important', 'color:red !important', undefined],
  ['too long a value', `color:${'x'.repeat(257)}`, undefined],
  ['no declaration', 'color', undefined],
  ['an empty one', '', undefined],
])('XEP-0071 §7.9 styles: %s', (_name, style, kept) => {
  const attribute = kept === undefined ? '' : ` style='${kept.replaceAll("'", '&apos;')}'`
  expect(read(`<span style='${style}'>x</span>`).xhtml).toBe(`<span${attribute}>x</span>`)
})

test.each([
  ['blocks stand on lines', '<p>one</p><p>two</p>three', 'one\ntwo\nthree'],
  ['breaks', 'one<br>two<br><br>three', 'one\ntwo\n\nthree'],
  [
    'bullets and numbers',
    '<ul><li>a<li>b</ul><ol><li>c<li>d<ul><li>e</ul><li>f</ol>',
    '- a\n- b\n1. c\n2. d\n- e\n3. f',
  ],
  ['where a link goes', 'see <a href="https://a.example/x">this</a>.', 'see this <https://a.example/x>.'],
  [
    'a link that says where',
    '<a href="https://a.example/">https://a.example/</a> <a href="https://b.example/">b.example</a>',
    'https://a.example/ b.example',
  ],
  [
    'a link that says it goes elsewhere',
    '<a href="https://a.example/">b.example</a>',
    'b.example <https://a.example/>',
  ],
  ['white space is one space', ' a \n\t b <b> c</b> ', 'a b c'],
  ['a no-break space stays', 'a&nbsp; b', 'a\u00a0 b'],
  ['preformatted lines', '<pre>a\nb</pre>', 'a\nb'],
  ['cells of a table', '<table><tr><td>1<td>2<tr><td>3<td>4</table>', '1 2\n3 4'],
  ['entities', '&lt;b&gt; &amp;amp; &eacute; &#x1F339;', '<b> &amp; é 🌹'],
  ['no markup that is none', 'a < b > c & d', 'a < b > c & d'],
  ['nothing but a picture', '<img src=x alt=y>', ''],
])('RFC 7572 §7 the text has the same meaning: %s', (_name, html, text) => {
  expect(read(html).text).toBe(text)
})

test('mapping C.12: what XML cannot hold becomes U+FFFD', () => {
  expect(read('a\u0000&#8;&#xD800;\ufffe\ud800b')).toEqual({
    xhtml: `a${'\ufffd'.repeat(5)}b`,
    text: `a${'\ufffd'.repeat(5)}b`,
  })
  expect(read(`<a href="https://a.example/\u0001">x</a>`).xhtml).toBe('x')
})

test.each([
  ['too long', 'x'.repeat(65_537)],
  ['too many elements', '<br>'.repeat(2001)],
  ['too deep', '<b>'.repeat(49)],
])('bounded: %s', (_name, html) => {
  expect(htmlToXhtmlIm(html)).toMatchObject({ ok: false, failure: { kind: 'html' } })
})

test('what is just within the bounds is taken, cut where it may be', () => {
  expect(read('🌹'.repeat(32_768)).text).toBe('🌹'.repeat(32_768))
  expect(read('<br>'.repeat(2000)).text).toBe('')
  expect(read(`${'<b>'.repeat(48)}x`).text).toBe('x')
})

test.each([
  ['text', 'a &lt;b&gt; &amp; c', 'a &lt;b&gt; &amp; c'],
  [
    'elements',
    "<p style='color:red'>a<br/><strong>b</strong></p>",
    "<p style='color: red'>a<br><strong>b</strong></p>",
  ],
  ['an empty element is not left open', '<span/>a', '<span></span>a'],
  [
    'links',
    "<a href='https://x/?a&amp;b' onclick='x'>a</a><a href='javascript:x'>b</a>",
    "<a href='https://x/?a&amp;b'>a</a>b",
  ],
  ['pictures and scripts', "a<img src='https://x/'/><script>b</script><style>c</style>", 'a'],
  ['other namespaces', "a<b xmlns='urn:x'>c</b>", 'a'],
  ['a quote in a style', `<span style='font-family: "x"'>a</span>`, `<span style='font-family: "x"'>a</span>`],
])('mapping C.10 X2S: %s', (_name, xhtml, html) => {
  const message = document(`<message xmlns='jabber:server'>${OPEN}${xhtml}${CLOSE}</message>`)
  expect(xhtmlImToHtml(message)).toBe(`<!DOCTYPE html><html><body>${html}</body></html>`)
})

test.each([
  ['no XHTML-IM', '<body>x</body>'],
  ['no body in it', "<html xmlns='http://jabber.org/protocol/xhtml-im'/>"],
  ['nothing that stays', `${OPEN}<img src='x'/> ${CLOSE}`],
])('mapping C.10 X2S, nothing to say: %s', (_name, content) => {
  expect(xhtmlImToHtml(document(`<message xmlns='jabber:server'>${content}</message>`))).toBeUndefined()
})

test('what is sanitised stays as it is, and back again', () => {
  const piece = fc.constantFrom(
    '<p>',
    '</p>',
    '<b>',
    '</b>',
    '<ul>',
    '<li>',
    '</ul>',
    '<br>',
    '<a href="https://a.example/">',
    '</a>',
    '<div style="color:red">',
    '</div>',
    '<script>',
    '</script>',
    '<svg>',
    '</svg>',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '&amp;',
    '&lt',
    '<',
    '>',
    '"',
    "'",
    '=',
    '<img onerror=x src=',
    '<table><td>',
    'text ',
    'é🌹',
    '\u0000',
    '<a href=javascript:',
    '<span style="',
    ';color:url(x)">',
  )
  const allowed = new Set([
    'html',
    'body',
    'a',
    'blockquote',
    'br',
    'cite',
    'em',
    'li',
    'ol',
    'p',
    'span',
    'strong',
    'ul',
  ])
  const check = (element: XmlElement): void => {
    expect(allowed).toContain(localNameOf(element))
    for (const [name, value] of Object.entries(element.attrs as Record<string, string>)) {
      expect(['xmlns', 'href', 'style', 'cite']).toContain(name)
      if (name === 'href') expect(value).toMatch(/^https:/)
      if (name === 'style') expect(value).not.toMatch(/url|[<>]/)
    }
    childrenOf(element).forEach(check)
  }
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const made = htmlToXhtmlIm(pieces.join(''))
      if (!made.ok) throw new Error(made.failure.detail)
      const xml = serializeXml(made.value.xhtml)
      check(document(xml))
      const html = xhtmlImToHtml(document(`<message xmlns='jabber:server'>${xml}</message>`))
      if (html === undefined) return
      const again = htmlToXhtmlIm(html)
      expect(again.ok && again.value.text.replace(/\s+/g, ' ')).toBe(made.value.text.replace(/\s+/g, ' '))
    }),
    { seed: 71, numRuns: 500 },
  )
})
