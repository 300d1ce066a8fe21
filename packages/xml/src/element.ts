import { Element } from 'ltx'
import { NS_XML } from './namespaces.ts'

/** Our tree is ltx's `Element`: names keep their prefix, `attrs` their spelling, `children` are elements and text. */
export { Element as XmlElement } from 'ltx'

/**
 * A new element; attributes that are undefined are left out. A child that stood in another tree is taken over by this
 * one, and so are the namespaces it inherits: give it an `xmlns` of its own.
 */
export function el(
  name: string,
  attrs: Readonly<Record<string, string | undefined>> = {},
  ...children: readonly (Element | string)[]
): Element {
  const element = new Element(name)
  for (const [key, value] of Object.entries(attrs)) if (value !== undefined) element.attrs[key] = value
  for (const child of children) {
    if (typeof child !== 'string') child.parent = element
    element.children.push(child)
  }
  return element
}

/** The element's namespace, '' when it has none. Unlike ltx's `getNS` it honours `xmlns=''`. */
export function namespaceOf(element: Element): string {
  const colon = element.name.indexOf(':')
  const prefix = colon < 0 ? '' : element.name.slice(0, colon)
  if (prefix === 'xml') return NS_XML
  const declaration = prefix === '' ? 'xmlns' : `xmlns:${prefix}`
  for (let at: Element | null = element; at !== null; at = at.parent) {
    const uri = at.attrs[declaration] as string | undefined
    if (uri !== undefined) return uri
  }
  return ''
}

/** The name without its prefix. */
export function localNameOf(element: Element): string {
  const colon = element.name.indexOf(':')
  return colon < 0 ? element.name : element.name.slice(colon + 1)
}

/** An attribute by the name as written; only what the element itself has. */
export function attrOf(element: Element, name: string): string | undefined {
  const value = Object.hasOwn(element.attrs, name) ? (element.attrs[name] as unknown) : undefined
  return value === undefined || value === null ? undefined : String(value)
}

export const isElement = (element: Element, name: string, namespace: string): boolean =>
  (element.name === name || localNameOf(element) === name) && namespaceOf(element) === namespace

/** The child elements, without the text between them. */
export const childrenOf = (element: Element): readonly Element[] =>
  element.children.filter((child): child is Element => typeof child !== 'string')

/** The first child of that name in that namespace. */
export function childOf(element: Element, name: string, namespace: string): Element | undefined {
  for (const child of element.children) {
    if (typeof child !== 'string' && isElement(child, name, namespace)) return child
  }
  return undefined
}

/** The text that stands in the element itself, not in its children. */
export function textOf(element: Element): string {
  let text = ''
  for (const child of element.children) if (typeof child === 'string') text += child
  return text
}
