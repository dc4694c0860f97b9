import "../../../cli/main.ts";
