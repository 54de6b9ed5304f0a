using Dvis.Streaming.Hosting.Commands;
using Dvis.Streaming.Pipeline.Memory;


NativeHeap.Limit();
return await DvisCommand.InvokeAsync(args);
