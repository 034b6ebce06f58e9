/** Other nodes' words end on a terminal: nothing but what a line of text is made of. */
export const printable = (text: string): string => text.replaceAll(/[^ -~…×]/g, '?')
