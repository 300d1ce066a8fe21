import { DEFAULT_XML_LIMITS, XmlStreamReader, el, parseXmlDocument } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import {
  STREAM_CONDITIONS,
  STREAM_END,
  formatStreamError,
  formatStreamHeader,
  parseDomain,
  parseStreamError,
  parseStreamHeader,
  streamErrorElement,
} from '@stox/xmpp'
import type { DomainName, StreamHeader } from '@stox/xmpp'

const domain = (text: string): DomainName => {
  const parsed = parseDomain(text)
  if (!parsed.ok) throw new Error(text)
  return parsed.value
}
function rootOf(xml: string): XmlElement {
  const [event] = new XmlStreamReader(DEFAULT_XML_LIMITS).push(Buffer.from(xml))
  if (event?.kind !== 'stream-start') throw new Error(JSON.stringify(event))
  return event.element
}
const S = "xmlns:stream='http://etherx.jabber.org/streams'"
const J = "xmlns='jabber:server'"

describe('stream header (RFC 6120 §4.7)', () => {
  test.each<[string, StreamHeader]>([
    [
      'initial',
      {
        from: domain('a.example'),
        to: domain('b.example'),
        id: undefined,
        version: { major: 1, minor: 0 },
        lang: 'en',
        declaresDialback: true,
      },
    ],
    [
      'response',
      {
        from: domain('münchen.example'),
        to: undefined,
        id: "x'y",
        version: { major: 1, minor: 0 },
        lang: undefined,
        declaresDialback: false,
      },
    ],
    [
      'before 1.0',
      {
        from: undefined,
        to: domain('b.example'),
        id: undefined,
        version: undefined,
        lang: undefined,
        declaresDialback: true,
      },
    ],
  ])('%s: format, then parse', (_name, header) => {
    const text = formatStreamHeader(header)
    expect(text).toMatch(/^<\?xml version='1\.0'\?><stream:stream xmlns='jabber:server' /)
    expect(parseStreamHeader(rootOf(text))).toEqual({ ok: true, value: header })
    expect(new XmlStreamReader(DEFAULT_XML_LIMITS).push(Buffer.from(text + STREAM_END)).at(-1)).toEqual({
      kind: 'stream-end',
    })
  })

  test.each<[string, string, string]>([
    ['§4.8.1, other namespace', `<stream:stream ${J} xmlns:stream='urn:x'>`, 'invalid-namespace'],
    ['§4.8.1, none', `<stream ${J}>`, 'invalid-namespace'],
    ['§4.8.2, jabber:client', `<stream:stream xmlns='jabber:client' ${S}>`, 'invalid-namespace'],
    ['§4.8.2, no content namespace', `<stream:stream ${S}>`, 'invalid-namespace'],
    ['§4.8.5, other prefix', `<s:stream ${J} xmlns:s='http://etherx.jabber.org/streams'>`, 'bad-namespace-prefix'],
    ['§4.8.5, no prefix', "<stream xmlns='http://etherx.jabber.org/streams'>", 'bad-namespace-prefix'],
    ['§4.2, other name', `<stream:flood ${J} ${S}>`, 'bad-format'],
    ['XEP-0220 §2.1, db of another namespace', `<stream:stream ${J} ${S} xmlns:db='urn:x'>`, 'invalid-namespace'],
    ['§4.7.1, bad from', `<stream:stream ${J} ${S} from='a b'>`, 'improper-addressing'],
    ['§4.7.2, bad to', `<stream:stream ${J} ${S} to=''>`, 'improper-addressing'],
    ['§4.7.2, to with a local part', `<stream:stream ${J} ${S} to='a@b.example'>`, 'improper-addressing'],
    ['§4.7.5, bad version', `<stream:stream ${J} ${S} version='one'>`, 'unsupported-version'],
  ])('%s', (_clause, xml, condition) => {
    expect(parseStreamHeader(rootOf(xml))).toMatchObject({ ok: false, failure: { condition } })
  })

  test('§4.7.5, versions are numbers', () => {
    const header = parseStreamHeader(rootOf(`<stream:stream ${J} ${S} version='01.10'>`))
    expect(header).toMatchObject({ ok: true, value: { version: { major: 1, minor: 10 } } })
  })
})

describe('stream errors (RFC 6120 §4.9)', () => {
  const inStream = (xml: string): XmlElement => {
    const reader = new XmlStreamReader(DEFAULT_XML_LIMITS)
    const event = reader.push(Buffer.from(`<stream:stream ${J} ${S}>${xml}`))[1]
    if (event?.kind !== 'element') throw new Error(JSON.stringify(event))
    return event.element
  }

  test.each(STREAM_CONDITIONS)('§4.9.3, %s goes out and comes back', (condition) => {
    const info = { condition, text: 'why < not' }
    expect(parseStreamError(inStream(formatStreamError(info)))).toEqual(info)
    expect(parseStreamError(streamErrorElement({ condition, text: undefined }))).toEqual({ condition, text: undefined })
  })

  test('on the wire', () => {
    expect(formatStreamError({ condition: 'host-unknown', text: undefined })).toBe(
      "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    )
  })

  test('an unknown condition, and what is no error', () => {
    const unknown = inStream("<stream:error><x xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
    expect(parseStreamError(unknown)).toEqual({ condition: 'undefined-condition', text: undefined })
    expect(parseStreamError(el('error', { xmlns: 'jabber:server' }))).toBeUndefined()
    expect(parseXmlDocument('<error/>').ok).toBe(true)
  })
})
