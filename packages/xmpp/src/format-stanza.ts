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
