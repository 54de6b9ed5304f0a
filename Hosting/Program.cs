using Dvis.Streaming.Hosting.Commands;
using Dvis.Streaming.Pipeline;

NativeHeap.LimitArenas();
return await DvisCommand.InvokeAsync(args);
