import { testRecord } from "./_record.ts";
import { FIGURES } from "./_record_draws.ts";

testRecord("draws", FIGURES);
