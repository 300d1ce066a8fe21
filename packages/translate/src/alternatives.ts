import { formatMultipart, newMimePart } from '@stox/sip'
import type { MimePart } from '@stox/sip'
import type { LangText } from '@stox/xmpp'
import { isLanguageTag, plainBody } from './message-to-sip.ts'
import type { SipBody } from './message-to-sip.ts'

/** No text is read in more. */
const MOST_LANGUAGES = 10

/**
 * A text in all its languages, the chosen one last, which is the best; undefined when there is but one. `boundary`: a
 * token that stands in none of them. @see RFC 2046 §5.1.4, RFC 3282, mapping C.2
 */
export function alternativesBody(chosen: LangText, others: readonly LangText[], boundary: string): SipBody | undefined {
  const languages = new Map<string, LangText>()
  for (const { lang, text } of [chosen, ...others]) {
    const known = lang !== undefined && isLanguageTag(lang) ? lang : undefined
    const key = known?.toLowerCase() ?? ''
    if (text.trim() !== '' && !languages.has(key)) languages.set(key, { lang: known, text })
  }
  const texts = [...languages.values()].slice(0, MOST_LANGUAGES)
  if (texts.length < 2 || texts.some(({ text }) => text.includes(boundary))) return undefined
  return {
    contentType: `multipart/alternative;boundary=${boundary}`,
    body: formatMultipart(texts.map(partOf).reverse(), boundary),
    languages: texts.flatMap(({ lang }) => lang ?? []),
  }
}

function partOf({ lang, text }: LangText): MimePart {
  const { contentType, body } = plainBody(text)
  return newMimePart(contentType, body, lang === undefined ? [] : [['Content-Language', lang]])
}
