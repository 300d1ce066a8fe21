import { Element } from 'ltx'

/** Our tree is ltx's `Element`: names keep their prefix, `attrs` their spelling, `children` are elements and text. */
export { Element as XmlElement } from 'ltx'

export declare function el(
  name: string,
  attrs?: Readonly<Record<string, string | undefined>>,
  ...children: readonly (Element | string)[]
): Element
export declare function namespaceOf(element: Element): string
export declare function localNameOf(element: Element): string
export declare function attrOf(element: Element, name: string): string | undefined
export declare function isElement(element: Element, name: string, namespace: string): boolean
export declare function childrenOf(element: Element): readonly Element[]
export declare function childOf(element: Element, name: string, namespace: string): Element | undefined
export declare function textOf(element: Element): string
