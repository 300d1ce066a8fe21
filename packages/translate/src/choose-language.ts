import { childrenOf, isElement, textOf } from '@stox/xml'
import { ns } from '@stox/xmpp'
import type { LangText, MessageStanza } from '@stox/xmpp'

/** `de-AT` is a kind of `de`. @see RFC 4647 §3.3.1 */
const isKindOf = (lang: string | undefined, wanted: string): boolean => lang?.startsWith(`${wanted}-`) === true

/** Nobody writes in more; each costs a look for every language of the reader. */
const MOST_TEXTS = 32

/**
 * Of one text in several languages that of the reader: the first of the wanted languages that it has, or else the
 * language that one is a kind of; else the one that names no language of its own, else the first. Blank ones are nobody's.
 * @see RFC 4647 §3.4, mapping C.2
 */
export function chooseText(
  texts: readonly LangText[],
  inherited: string | undefined,
  wanted: readonly string[],
): LangText | undefined {
  const written = texts
    .slice(0, MOST_TEXTS)
    .filter(({ text }) => text.trim() !== '')
    .map((text) => ({ text, lang: text.lang?.toLowerCase() }))
  for (const tag of wanted) {
    for (let range = tag.toLowerCase(); range !== ''; range = range.slice(0, Math.max(range.lastIndexOf('-'), 0))) {
      const found = written.find(({ lang }) => lang === range) ?? written.find(({ lang }) => isKindOf(lang, range))
      if (found !== undefined) return found.text
    }
  }
  return (written.find(({ text }) => text.lang === inherited) ?? written[0])?.text
}

/** Of a message that has one. @see RFC 6121 §5.2.4 */
export function subjectFor(message: MessageStanza, wanted: readonly string[]): string | undefined {
  const subjects = childrenOf(message.element)
    .filter((child) => isElement(child, 'subject', ns.NS_SERVER))
    .map((child) => ({ lang: (child.attrs['xml:lang'] as string | undefined) ?? message.lang, text: textOf(child) }))
  return chooseText(subjects, message.lang, wanted)?.text
}
