// React's types speak of csstype, which Debian does not package: the little of it that they use.
export interface Properties<_Length = string | number, _Time = string> {
  [property: string]: string | number | undefined;
}
