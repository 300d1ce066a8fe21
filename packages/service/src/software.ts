/** As told to who asks, where that is wanted; a test holds it to the version of the package. @see XEP-0092 */
export const SOFTWARE = { name: 'stox', version: '0.1.0' } as const
