// The script of the Worker that runs the engine.
import { serve } from "lowrank/worker";

serve();
