import { latin1Text, utf8Bytes } from '@stox/kernel'
import { attrOf, childOf, childrenOf, el, isElement, textOf } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { NS_CAPS, NS_DATA_FORMS } from '../namespaces.ts'
import type { PresenceStanza } from '../stanza.ts'
import type { DiscoInfo } from './disco.ts'

/** @see XEP-0115 §4 */
export interface Caps {
  readonly hash: string
  /** A URI that names the software. */
  readonly node: string
  readonly ver: string
}

export const capsElement = ({ hash, node, ver }: Caps): XmlElement => el('c', { xmlns: NS_CAPS, hash, node, ver })

/** The same presence, saying them. */
export function presenceWithCaps(presence: PresenceStanza, caps: Caps): PresenceStanza {
  const { name, attrs, children } = presence.element
  return { ...presence, element: el(name, attrs, ...children, capsElement(caps)) }
}

/** Of a presence; undefined when there are none, or only those of before version 1.4, which have no hash. */
export function parseCaps(presence: XmlElement): Caps | undefined {
  const caps = childOf(presence, 'c', NS_CAPS)
  if (caps === undefined) return undefined
  const [hash, node, ver] = ['hash', 'node', 'ver'].map((name) => attrOf(caps, name))
  return hash && node && ver ? { hash, node, ver } : undefined
}

/** The node to ask for what a `ver` stands for. @see XEP-0115 §6.2 */
export const capsNode = ({ node, ver }: Pick<Caps, 'node' | 'ver'>): string => `${node}#${ver}`

/**
 * What identities, features and forms come to. `sha1Base64` takes the UTF-8 of its text. Undefined for what has no
 * proper `ver` and must not be kept: something said twice, a form whose type is in doubt, or a `<`, by which one answer
 * could pass for another. @see XEP-0115 §5.1, §5.4
 */
export function capsVer(info: DiscoInfo, sha1Base64: (text: string) => string): string | undefined {
  const identities = info.identities.map(({ category, type, lang = '', name = '' }) =>
    [category, type, lang, name].join('/'),
  )
  const forms = readForms(info.forms ?? [])
  if (
    forms === undefined ||
    hasTwins(identities) ||
    hasTwins(info.features) ||
    hasTwins(forms.map(([type]) => type!))
  ) {
    return undefined
  }
  const words = [
    ...identities.toSorted(byOctets),
    ...info.features.toSorted(byOctets),
    ...forms.toSorted(([one], [other]) => byOctets(one!, other!)).flat(),
  ]
  return words.some((word) => word.includes('<')) ? undefined : sha1Base64(words.map((word) => `${word}<`).join(''))
}

/** Each form as its type, then each field's name and values, sorted; undefined when one is not proper. */
function readForms(forms: readonly XmlElement[]): string[][] | undefined {
  const read: string[][] = []
  for (const form of forms) {
    if (!isElement(form, 'x', NS_DATA_FORMS)) continue
    const fields = childrenOf(form).filter((child) => isElement(child, 'field', NS_DATA_FORMS))
    const typeField = fields.find((field) => attrOf(field, 'var') === 'FORM_TYPE')
    // A form without a type, or one whose type is not hidden, does not count.
    if (typeField === undefined || attrOf(typeField, 'type') !== 'hidden') continue
    const types = new Set(valuesOf(typeField))
    if (types.size !== 1) return undefined
    const others = fields
      .filter((field) => field !== typeField)
      .map((field) => [attrOf(field, 'var') ?? '', ...valuesOf(field).toSorted(byOctets)])
      .toSorted(([one], [other]) => byOctets(one!, other!))
    read.push([...types, ...others.flat()])
  }
  return read
}

const valuesOf = (field: XmlElement): string[] =>
  childrenOf(field)
    .filter((child) => isElement(child, 'value', NS_DATA_FORMS))
    .map(textOf)

const hasTwins = (words: readonly string[]): boolean => new Set(words).size !== words.length

/** The collation `i;octet`. @see RFC 4790 §9.3 */
function byOctets(one: string, other: string): number {
  const [first, second] = [latin1Text(utf8Bytes(one)), latin1Text(utf8Bytes(other))]
  return first < second ? -1 : first > second ? 1 : 0
}
