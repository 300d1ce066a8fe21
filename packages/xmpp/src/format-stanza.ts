import { escapeAttribute, escapeText, serializeXml } from '@stox/xml'
import { formatJid } from './jid.ts'
import type { Stanza } from './stanza.ts'

/** Written from the stanza's fields, whatever the element has. */
const FROM_FIELDS: ReadonlySet<string> = new Set(['from', 'to', 'id', 'type', 'xml:lang'])

/** The stanza as text in `jabber:server`, ready to stand on a stream or alone. */
export function formatStanza(stanza: Stanza): string {
  const { element } = stanza
  const isDefault = (stanza.kind === 'message' && stanza.type === 'normal') || stanza.type === 'available'
  let text = `<${element.name} from='${escapeAttribute(formatJid(stanza.from))}' to='${escapeAttribute(formatJid(stanza.to))}'`
  if (stanza.id !== undefined && stanza.id !== '') text += ` id='${escapeAttribute(stanza.id)}'`
  if (!isDefault) text += ` type='${stanza.type}'`
  if (stanza.lang !== undefined) text += ` xml:lang='${escapeAttribute(stanza.lang)}'`
  const attrs = element.attrs as Record<string, string | undefined>
  for (const name in attrs) {
    const value = attrs[name]
    if (value !== undefined && !FROM_FIELDS.has(name)) text += ` ${name}='${escapeAttribute(value)}'`
  }
  if (element.children.length === 0) return `${text}/>`
  text += '>'
  for (const child of element.children) text += typeof child === 'string' ? escapeText(child) : serializeXml(child)
  return `${text}</${element.name}>`
}

/**
 * The text that the stanza was read from, where it may stand on a stream as it is; else the stanza written anew. A
 * document may have comments and instructions in it or around it, which a stream must not. @see RFC 6120 §11.1
 */
export function textOfStanza(stanza: Stanza, source: string): string {
  const { name, attrs } = stanza.element
  const isOneElement = source.startsWith(`<${name}`) && (source.endsWith(`</${name}>`) || source.endsWith('/>'))
  const isPlain = isOneElement && !source.includes('<!') && !source.includes('<?')
  const isNormal = attrs.from === formatJid(stanza.from) && attrs.to === formatJid(stanza.to)
  return isPlain && isNormal ? source : formatStanza(stanza)
}
