// Parses text/event-stream: the data of each event, comments left out. Takes pieces cut anywhere.
export class EventParser {
  private rest = "";
  private data: string[] = [];
  constructor(private readonly take: (data: string) => void) {}
  push(piece: string): void {
    this.rest += piece;
    const lines = this.rest.split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (this.data.length > 0) this.take(this.data.join("\n"));
        this.data = [];
      } else if (line.startsWith("data:")) {
        this.data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
      }
    }
  }
}
